"""States in memory of a pool: the same numbers, and no page is faulted in twice."""

from __future__ import annotations

import resource

import pytest

from omnixan.edge_network import MemoryPooling
from omnixan.edge_network.quantum import statevector
from omnixan.edge_network.quantum.backend import SimulatorBackend
from tests.unit.memory_pooling.limits import NO_LIMITS


@pytest.fixture
def pool() -> MemoryPooling:
    return MemoryPooling("16MB", "1MB", limits=NO_LIMITS)


@pytest.mark.parametrize("qubits", [2, 11, 12, 13])
def test_the_numbers_are_the_same_to_the_last_bit(random_circuit, pool, qubits):
    for seed in range(5):
        circuit = random_circuit(seed, qubits, 80)
        program = statevector.compiled(circuit)
        for plain, pooled in (
            (statevector.probabilities(program), statevector.probabilities(program, pool)),
            (statevector.statevector(circuit), statevector.statevector(circuit, pool)),
        ):
            assert plain.tobytes() == pooled.tobytes()
    assert pool.stats().used_bytes == 0
    assert (pool.stats().hits > 0) == (qubits >= 12)


def test_a_result_outlives_the_memory_of_its_state(random_circuit, pool):
    first = statevector.statevector(random_circuit(1, 12, 40), pool)
    kept = first.copy()
    statevector.statevector(random_circuit(2, 12, 40), pool)
    assert (first == kept).all()


def test_states_are_made_without_page_faults(layered, pool):
    program = statevector.compiled(layered(14, 4))

    def evolve() -> None:
        with statevector._final_state(program, pool) as state:
            assert state.nbytes == 16 << 14

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            evolve()
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    for _ in range(3):
        evolve()
    before = pool.stats()
    # a fresh pair of states would take 128 faults each time; what numpy itself and the interpreter touch is a handful,
    # and what else this process does, as other threads' work or a collection, comes in between now and then
    assert any(faults() < 20 for _ in range(5))
    after = pool.stats()
    assert after.hits - before.hits >= 2 * 20 and after.misses == before.misses, "memory of before that is not the pool's"


def test_a_backend_gives_the_same_counts_with_and_without(layered, pool):
    circuit = layered(13, 4)
    plain, pooled = SimulatorBackend(13), SimulatorBackend(13, buffers=pool)
    for seed in range(3):
        assert plain.sample(circuit, 500, seed, lambda: None) == pooled.sample(circuit, 500, seed, lambda: None)
    assert pooled.compiled.hits == 2
    assert pool.stats().hits >= 4


@pytest.mark.parametrize("size", ["64KB", "192KB"])
def test_a_pool_that_is_too_small_for_a_state_stops_no_circuit(layered, size):
    pool = MemoryPooling(size, "64KB", limits=NO_LIMITS)  # of 13 qubits: no state fits, or only the first of two
    program = statevector.compiled(layered(13, 4))
    assert statevector.probabilities(program, pool).tobytes() == statevector.probabilities(program).tobytes()
    assert pool.stats().misses == pool.pool_bytes // (16 << 13), "what fits was tried"
    assert pool.stats().used_bytes == 0
