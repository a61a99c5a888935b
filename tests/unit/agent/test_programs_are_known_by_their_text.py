import hashlib

from omnixan.edge_network.agent.programs import digest_of


def test_the_digest_is_that_of_the_utf8_bytes():
    assert digest_of("qubit ψ;") == hashlib.sha256("qubit ψ;".encode()).hexdigest()
