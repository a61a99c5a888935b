from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.guest.inside import workload
from e2e.guest.inside.workload import Workload, check, content, key
from omnixan.edge_network.persistent_memory import Store, open_medium

SEED, LAST = 7, 59
SIZE = 2 << 20


@contextmanager
def _store(folder: Path) -> Iterator[Store]:
    with Store.open(open_medium(folder / "store", SIZE, "file")) as store:
        yield store


@pytest.fixture
def written(tmp_path: Path) -> Path:
    with _store(tmp_path) as store:
        work = Workload(store, SEED)
        for number in range(LAST + 1):
            work.write(number)
    return tmp_path


def test_a_store_that_was_written_to_the_end_is_right(written: Path) -> None:
    with _store(written) as store:
        found = check(store, SEED, LAST)
    assert (found.wrong, found.there, found.in_flight) == ([], 54, 0)


def test_records_after_the_last_acknowledged_one_are_under_way(written: Path) -> None:
    with _store(written) as store:
        found = check(store, SEED, LAST - 1)
    assert (found.wrong, found.in_flight) == ([], 1)


def test_writing_goes_on_where_it_was_acknowledged_although_more_had_been_written(written: Path) -> None:
    with _store(written) as store:
        work = Workload(store, SEED, first=LAST - 3)
        for number in range(LAST - 3, LAST + 30):
            work.write(number)
        assert check(store, SEED, LAST + 29).wrong == []


def _put_back(store: Store) -> None:
    store.put(key(4), content(SEED, 4))


def _take_the_state(store: Store) -> None:
    store.delete(workload.STATE)


def _old_state(store: Store) -> None:
    store.put(workload.STATE, workload.state(SEED, 55), meta={"number": "55"})


def _other_state(store: Store) -> None:
    store.put(workload.STATE, workload.state(SEED, 55), meta={"number": "59"})


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda store: store.delete(key(33)), "record 33 is lost"),
        (lambda store: store.put(key(33), b"other"), "record 33 is not what was written"),
        (lambda store: store.put(key(900), b"torn"), "record 900 is not what was written"),
        (_put_back, "record 4 was deleted and is there"),
        (_take_the_state, "the state of record 59 is lost"),
        (_old_state, "the state is that of record 55, that of 59 was acknowledged"),
        (_other_state, "the state of record 59 is not what was written"),
    ],
)
def test_each_harm_to_what_was_acknowledged_is_found(written: Path, harm: Callable[[Store], object], said: str) -> None:
    with _store(written) as store:
        harm(store)
        assert check(store, SEED, LAST).wrong == [said]
