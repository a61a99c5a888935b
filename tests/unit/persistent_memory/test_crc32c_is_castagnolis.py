"""Known answers of RFC 3720 B.4, for the tables in Python and for what is used."""

from __future__ import annotations

import pytest

from omnixan.edge_network.persistent_memory.crc32c import crc32c, in_python

KNOWN = [
    (b"", 0),
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
]


@pytest.mark.parametrize("of", [crc32c, in_python])
@pytest.mark.parametrize(("data", "crc"), KNOWN)
def test_known_answers(of, data: bytes, crc: int) -> None:
    assert of(data) == of(bytearray(data)) == of(memoryview(data)) == crc


@pytest.mark.parametrize("of", [crc32c, in_python])
def test_pieces_give_the_checksum_of_the_whole(of) -> None:
    data = bytes(number * 31 & 255 for number in range(300_001))
    for cut in (0, 1, 2, 63, 131_072, 300_001):
        assert of(data[cut:], of(data[:cut])) == in_python(data)
