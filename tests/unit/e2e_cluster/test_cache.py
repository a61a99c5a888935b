"""The cache: keys, complete-or-absent folders, leftovers of killed runs, one run at a time."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from e2e.cluster.cache import (
    HELD_BY,
    Busy,
    artefact_lock,
    cache_root,
    key_of,
    mounts_below,
    new_folder,
    run_lock,
    scratch_folder,
    sweep,
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of the test's own, and no lock inherited from the run that started the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(HELD_BY, raising=False)
    return tmp_path / "cache" / "omnixan-edge"


@pytest.fixture
def dead_pid():
    """The id of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_the_cache_lies_where_the_user_says(own_cache):
    assert cache_root() == own_cache
    assert own_cache.is_dir()


class TestKeys:
    @pytest.fixture
    def folder(self, tmp_path):
        made = tmp_path / "sources"
        (made / "sub").mkdir(parents=True)
        (made / "a").write_text("1")
        (made / "sub/b").write_text("2")
        return made

    def test_equal_contents_have_equal_keys(self, folder):
        before = key_of(folder)
        os.utime(folder / "a", (1, 1))
        assert key_of(folder) == before

    @pytest.mark.parametrize("change", ["content", "name", "new file", "mode"])
    def test_any_change_of_a_source_changes_the_key(self, folder, change):
        before = key_of(folder)
        match change:
            case "content":
                (folder / "sub/b").write_text("3")
            case "name":
                (folder / "a").rename(folder / "c")
            case "new file":
                (folder / "d").touch()
            case "mode":
                (folder / "a").chmod(0o755)
        assert key_of(folder) != before

    @pytest.mark.parametrize("name", ["__pycache__/x.pyc", ".hidden", ".git/HEAD", "sub/.swp"])
    def test_what_is_no_source_changes_nothing(self, folder, name):
        before = key_of(folder)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
        assert key_of(folder) == before

    def test_parts_do_not_run_into_one_another(self):
        assert key_of("ab", "c") != key_of("a", "bc")
        assert key_of("a") != key_of("a", "")

    def test_text_and_bytes_of_it_are_the_same(self):
        assert key_of("é") == key_of("é".encode())


class TestFolders:
    def test_a_folder_is_there_when_it_is_complete(self, own_cache):
        target = own_cache / "bin" / "x-1"
        with new_folder(target) as scratch:
            (scratch / "program").touch()
            assert not target.exists()
        assert [path.name for path in target.iterdir()] == ["program"]
        assert not list((own_cache / "tmp").iterdir())

    def test_after_an_error_it_is_not_there_at_all(self, own_cache):
        target = own_cache / "bin" / "x-1"
        with pytest.raises(OSError), new_folder(target) as scratch:
            (scratch / "half").touch()
            raise OSError("disk full")
        assert not target.exists()
        assert not list((own_cache / "tmp").iterdir())

    def test_a_new_one_replaces_the_old_one_whole(self, own_cache):
        target = own_cache / "bin" / "x-1"
        for name in ("old", "new"):
            with new_folder(target) as scratch:
                (scratch / name).touch()
        assert [path.name for path in target.iterdir()] == ["new"]

    def test_a_killed_run_leaves_scratch_that_the_next_one_sweeps(self, own_cache, dead_pid):
        left = own_cache / "tmp" / f"{dead_pid}-123-node-image"
        (left / "deep").mkdir(parents=True)
        mine = scratch_folder("mine")
        other = own_cache / "tmp" / "not-ours"
        other.mkdir()
        assert sweep() == [left.name]
        assert not left.exists() and mine.exists() and other.exists()

    def test_mounts_inside_are_found_deepest_first(self, tmp_path):
        text = "\n".join(
            [
                "proc /a/b/proc proc rw 0 0",
                "tmpfs /a/b/proc/sys tmpfs rw 0 0",
                "tmpfs /a/bc tmpfs rw 0 0",
                r"tmpfs /a/b/with\040blank tmpfs rw 0 0",
            ]
        )
        assert mounts_below(type(tmp_path)("/a/b"), text) == ["/a/b/with blank", "/a/b/proc/sys", "/a/b/proc"]


OTHER_RUN = """
import sys
from e2e.cluster.cache import run_lock
with run_lock("soak"):
    print("held", flush=True)
    sys.stdin.read()
"""


class TestRunLock:
    @pytest.fixture
    def other_run(self, request):
        """Another process that holds the lock until its input is closed."""
        process = subprocess.Popen(
            [sys.executable, "-c", OTHER_RUN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=request.config.rootpath,
        )
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()
        process.communicate()

    def test_a_second_run_is_told_who_is_at_work(self, other_run, own_cache):
        with pytest.raises(Busy) as busy, run_lock("up"):
            pass
        for told in (str(own_cache), f"process {other_run.pid}", "soak", "XDG_CACHE_HOME"):
            assert told in str(busy.value)

    def test_a_lock_ends_with_its_run(self, other_run):
        other_run.communicate("")
        with run_lock("up"):
            pass

    def test_a_killed_run_holds_nothing(self, other_run):
        other_run.kill()
        other_run.wait()
        with run_lock("up"):
            pass

    def test_programs_that_a_run_starts_may_take_it_again(self, request):
        with run_lock("suite"):
            with run_lock("the same process, deeper"):
                pass
            inner = [sys.executable, "-c", "from e2e.cluster.cache import run_lock\nwith run_lock('up'): print('in')"]
            assert subprocess.check_output(inner, text=True, cwd=request.config.rootpath) == "in\n"
        assert HELD_BY not in os.environ

    def test_a_program_that_outlives_its_run_has_lost_the_lock(self, other_run, monkeypatch, dead_pid, own_cache):
        monkeypatch.setenv(HELD_BY, str(dead_pid))
        (own_cache / "lock").write_text(json.dumps({"pid": dead_pid, "purpose": "gone"}))
        with pytest.raises(Busy), run_lock("up"):
            pass

    def test_a_claim_to_another_runs_lock_does_not_hold(self, other_run, monkeypatch):
        monkeypatch.setenv(HELD_BY, str(os.getpid()))  # alive, but not the holder
        with pytest.raises(Busy), run_lock("up"):
            pass


def test_who_comes_second_waits_and_finds_the_artefact_made():
    order = []
    holding, passed = threading.Event(), threading.Event()

    def first():
        with artefact_lock("kind-1"):
            holding.set()
            passed.wait(20)
            time.sleep(0.1)  # long enough for the other to come, if nothing kept it out
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    assert holding.wait(60)
    with artefact_lock("another"):
        order.append("other artefact")
    passed.set()
    with artefact_lock("kind-1"):
        order.append("second")
    thread.join()
    assert order == ["other artefact", "first", "second"]
