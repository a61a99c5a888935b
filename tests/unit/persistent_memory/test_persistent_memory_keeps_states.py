"""`PersistentMemory` as a user has it: a path, a size, states that are there in the next session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from omnixan.edge_network import PersistentMemory
from omnixan.edge_network.persistent_memory import MediumMissing, MediumUnsuitable, StoreLocked, TierTooLow, prove
from omnixan.edge_network.persistent_memory.errors import BadArgument, ReadOnly
from omnixan.edge_network.persistent_memory.sizes import parse_size


def state(qubits: int, seed: int = 7) -> np.ndarray:
    amplitudes = np.random.default_rng(seed).normal(size=(2, 2**qubits))
    vector = amplitudes[0] + 1j * amplitudes[1]
    return vector / np.linalg.norm(vector)


def test_a_state_is_there_in_the_next_session_bit_for_bit(tmp_path: Path) -> None:
    vector = state(10)
    with PersistentMemory(tmp_path, size="1MB") as memory:
        ack = memory.save_state("job/1", vector, meta={"iteration": "12"})
        assert ack.tier is memory.tier is prove(tmp_path).best and memory.size == 1 << 20
    with PersistentMemory(tmp_path) as memory:
        loaded = memory.load_state("job/1")
        assert loaded is not None and loaded.dtype == vector.dtype and np.array_equal(loaded, vector)
        assert not loaded.flags.writeable
        record = memory.get("job/1")
        assert record is not None and record.meta["iteration"] == "12"
        assert memory.load_state("job/2") is None
        assert [entry.key for entry in memory.list("job/")] == ["job/1"]
    assert [path.name for path in tmp_path.iterdir()] == ["omnixan.store"]


def test_it_survives_a_process_that_is_killed_after_the_acknowledgement(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, numpy as np\n"
        "from omnixan.edge_network import PersistentMemory\n"
        "memory = PersistentMemory(sys.argv[1], size='256KB')\n"
        "memory.save_state('s', np.arange(1000))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == -9
    with PersistentMemory(tmp_path) as memory:
        loaded = memory.load_state("s")
        assert loaded is not None and np.array_equal(loaded, np.arange(1000))


def test_only_what_changed_of_a_state_is_written(tmp_path: Path) -> None:
    vector = state(14)
    with PersistentMemory(tmp_path, size="4MB") as memory:
        memory.save_state("s", vector)
        before = memory.store.report().used
        vector[100:164] *= -1
        vector[9000] = 0
        memory.save_state("s", vector, dirty=[(100, 64), (9000, 1)])
        assert memory.store.report().used - before < 8192
    with PersistentMemory(tmp_path, readonly=True) as memory:
        loaded = memory.load_state("s")
        assert loaded is not None and np.array_equal(loaded, vector)


def test_a_part_of_a_value_of_bytes_is_written_alone(tmp_path: Path) -> None:
    value = bytearray(b"a" * 100_000)
    with PersistentMemory(tmp_path, "1Mi") as memory:
        memory.put("k", value)
        used = memory.verify().used
        value[500:600] = b"b" * 100
        memory.snapshot("k", value, [(500, 100)], meta={"changed": "yes"})
        assert memory.verify().used - used < 1000
    with PersistentMemory(tmp_path) as memory:
        record = memory.get("k")
        assert record is not None and record.value == value and record.meta == {"changed": "yes"}


def test_a_state_of_another_shape_or_kind_replaces_the_old_one_whole(tmp_path: Path) -> None:
    with PersistentMemory(tmp_path, size="1MB") as memory:
        memory.save_state("s", np.zeros(64, np.complex64))
        other = np.arange(64, dtype=np.float64).reshape(8, 8)  # as many bytes
        memory.save_state("s", other, dirty=[(0, 1)])
        loaded = memory.load_state("s")
        assert loaded is not None and loaded.shape == (8, 8) and np.array_equal(loaded, other)
        memory.save_state("s", np.float64(3.5).reshape(()))
        loaded = memory.load_state("s")
        assert loaded is not None and loaded.shape == () and loaded == 3.5


@pytest.mark.parametrize(
    "array", [np.arange(10)[::2], np.array(["text"]), np.array([object()]), np.arange(6).reshape(2, 3).T], ids=str
)
def test_what_is_no_plain_array_of_numbers_is_refused(array: np.ndarray, tmp_path: Path) -> None:
    with PersistentMemory(tmp_path, size="256KB") as memory:
        with pytest.raises(BadArgument, match="C-contiguous array of numbers"):
            memory.save_state("s", array)
        assert memory.list() == []


@pytest.mark.parametrize(
    "meta",
    [{}, {"dtype": "<f8"}, {"dtype": "O", "shape": "1"}, {"dtype": "no", "shape": "1"}, {"dtype": "<f8", "shape": "7"}],
    ids=str,
)
def test_a_value_that_is_no_state_is_not_loaded_as_one(meta: dict[str, str], tmp_path: Path) -> None:
    with PersistentMemory(tmp_path, size="256KB") as memory:
        memory.put("s", b"12345678", meta=meta)
        with pytest.raises(BadArgument, match="'s' holds no state"):
            memory.load_state("s")
        record = memory.get("s")
        assert record is not None and bytes(record.value) == b"12345678"
        memory.delete("s")
        assert memory.load_state("s") is None


def test_its_refusals_are_those_of_the_medium(tmp_path: Path) -> None:
    with pytest.raises(MediumMissing, match=r"omnixan\.store: no such file"):
        PersistentMemory(tmp_path)
    with pytest.raises(MediumMissing):
        PersistentMemory(tmp_path / "no" / "folder", size="1MB")
    if not prove(tmp_path).best.is_dax:
        with pytest.raises(TierTooLow):
            PersistentMemory(tmp_path, size="1MB", mode="dax")
    with PersistentMemory(tmp_path, size="1MB") as memory:
        with pytest.raises(StoreLocked):
            PersistentMemory(tmp_path)
        assert memory.verify().damaged == () and memory.compact().keys == 0
    with pytest.raises(MediumUnsuitable, match="were asked for"):
        PersistentMemory(tmp_path, size="2MB")
    with PersistentMemory(tmp_path, readonly=True) as memory, pytest.raises(ReadOnly):
        memory.put("s", b"")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("4GB", 4 << 30), ("64MB", 64 << 20), ("1KB", 1024), ("2TB", 2 << 40), ("0", 0), ("17", 17), ("17B", 17)),
        *(("64Mi", 64 << 20), ("4Gi", 4 << 30), ("500M", 500_000_000), ("1k", 1000), ("1.5Gi", 3 << 29), ("8 GB", 8 << 30)),
        *((4096, 4096), (0, 0)),
    ],
)
def test_sizes_mean_what_memory_and_kubernetes_mean(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "4gb", "4Gib", "1e3", "1.5", "0.3KB", " 4GB", "4GB\n", "٣", -1, True])
def test_other_sizes_are_refused_with_their_text(text: str | int) -> None:
    with pytest.raises(ValueError, match="size="):
        parse_size(text)


def test_neither_numpy_nor_a_store_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, omnixan.edge_network\n"
        "assert not [m for m in sys.modules if 'persistent_memory' in m]\n"
        "from omnixan.edge_network import PersistentMemory\n"
        "assert 'numpy' not in sys.modules and 'qiskit' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
