from e2e.bench.guest import of_memcpy, rows


def test_each_size_is_a_ratio_of_the_two_mounts_of_one_device() -> None:
    sizes = {"4096": 10.0, "65536": 20.0, "16777216": 4000.0, "268435456": 9000.0}
    slow = {size: 3 * value for size, value in sizes.items()}
    found = {
        "ordinary memory": {"memcpy": {size: 0.9 * value for size, value in sizes.items()}},
        "without": {"tier": "T3", "systemCalls": slow, "medium": slow, "put": 9.0},
        "with": {"tier": "T1", "systemCalls": sizes, "medium": sizes, "put": 9.0},
    }
    assert [row["measured"] for row in rows(found)] == [3.0, 3.0, 3.0, 3.0]
    assert all(row["met"] for row in rows(found))
    assert set(of_memcpy(found).values()) == {0.9}
    found["with"]["medium"] = {**sizes, "65536": 120.0}
    assert [row["met"] for row in rows(found)] == [True, False, True, True]
