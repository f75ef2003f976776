"""Files that are whole or not there, and locks that end with their holder, however it ends."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from twin import disk

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

BEGIN_AND_WAIT = """
import sys, pathlib
from twin import disk
path = pathlib.Path(sys.argv[2])
with getattr(disk, sys.argv[1])(path, *([lambda holder: RuntimeError(holder)] if sys.argv[1] == "try_lock" else [])):
    print("begun", flush=True)
    sys.stdin.read()
"""


class Elsewhere:
    """Another process in the middle of a block of `twin.disk`."""

    def __init__(self, block: str, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", BEGIN_AND_WAIT, block, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"begun\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def elsewhere() -> Generator[type[Elsewhere]]:
    started: list[Elsewhere] = []

    class Tracked(Elsewhere):
        def __init__(self, block: str, path: Path) -> None:
            super().__init__(block, path)
            started.append(self)

    yield Tracked
    for other in started:
        other.kill()


def cut_off() -> Iterator[bytes]:
    yield b"ne"
    raise RuntimeError("the power went out")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    disk.write(path, b"old")
    with pytest.raises(RuntimeError), disk.replacing(path) as file:
        file.writelines(cut_off())
    assert path.read_bytes() == b"old"
    disk.write(path, b"new", durable=False)
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["state.json"]


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), disk.staged_folder(tmp_path / "model") as staging:
        shutil.copytree(tmp_path / "nowhere", staging / "part")
    assert names(tmp_path) == []
    with disk.staged_folder(tmp_path / "model") as staging:
        (staging / "weights").write_bytes(b"1")
    assert (tmp_path / "model" / "weights").read_bytes() == b"1"


def test_a_folder_never_takes_the_place_of_another(tmp_path: Path) -> None:
    with disk.staged_folder(tmp_path / "model") as staging:
        (staging / "weights").write_bytes(b"1")
    with pytest.raises(OSError, match="not empty"), disk.staged_folder(tmp_path / "model") as staging:
        (staging / "weights").write_bytes(b"2")
    assert names(tmp_path) == ["model"]
    assert (tmp_path / "model" / "weights").read_bytes() == b"1"


@pytest.mark.parametrize("block", ["replacing", "staged_folder"])
def test_what_a_killed_writer_left_is_swept_and_what_is_being_written_is_not(
    tmp_path: Path, elsewhere: type[Elsewhere], block: str
) -> None:
    killed, writing = elsewhere(block, tmp_path / "a"), elsewhere(block, tmp_path / "b")
    killed.kill()
    assert f".a.{killed.process.pid}." in names(tmp_path)[0]
    disk.write(tmp_path / "c", b"whole")  # this process's first write here
    [left, written] = names(tmp_path)
    assert left.startswith(f".b.{writing.process.pid}.")
    assert written == "c"
    writing.kill()
    assert disk.sweep(tmp_path) == 1
    assert names(tmp_path) == ["c"]


def test_of_several_who_create_a_file_one_does(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda n: disk.create(tmp_path / "token", str(n).encode()), range(16)))
    assert created.count(True) == 1
    assert (tmp_path / "token").read_bytes() == str(created.index(True)).encode()
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["token"]


def test_who_holds_a_lock_is_told_and_a_killed_holder_lets_go(
    tmp_path: Path, elsewhere: type[Elsewhere], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "GLANCE_SECONDS", 0.05)
    path = tmp_path / "locks" / "publish"
    holder = elsewhere("try_lock", path)
    assert disk.is_locked(path)
    with pytest.raises(RuntimeError, match=f"process {holder.process.pid}$"), disk.try_lock(path, RuntimeError):
        pytest.fail("two hold the lock")
    holder.kill()
    assert not disk.is_locked(path)
    with disk.try_lock(path, RuntimeError):
        assert disk.is_locked(path)


def test_a_lock_is_waited_for(tmp_path: Path, elsewhere: type[Elsewhere]) -> None:
    holder = elsewhere("lock", tmp_path / "lock")
    asking, killed = threading.Event(), threading.Event()

    def take() -> bool:
        asking.set()
        with disk.lock(tmp_path / "lock"):
            return killed.is_set()

    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(take)
        asking.wait()
        assert not taken.done()
        killed.set()
        holder.kill()
        assert taken.result(timeout=30)
