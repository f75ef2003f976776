"""What processes share on a disk: files that are whole or not there, and locks that end with their holder.

A file is written beside its place, as `.<name>.<process id>.<random>.staging`, and moved there when it is whole. Its
writer holds a lock on it, so what a killed writer left is told from what is being written: nobody holds it. The first
write to a folder in each process sweeps it. Locks are `flock`: the kernel lets go of them however their holder ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = [
    "create",
    "holder",
    "is_locked",
    "lock",
    "make_durable",
    "replacing",
    "staged_file",
    "staged_folder",
    "sweep",
    "sync",
    "try_lock",
    "write",
]

STAGING = ".staging"
GLANCE_SECONDS = 0.5
"""`is_locked` holds a free lock for an instant; `try_lock` does not take that for a holder."""
POLL_SECONDS = 0.02


def write(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Writes a file, making its folder: readers see the old content or the new, whole, and so after a power cut."""
    with replacing(path, durable=durable) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True, mode: int = 0o666) -> Generator[BinaryIO]:
    """A file to write to, which takes the place of `path` at the end of the block, or none if the block fails.

    Args:
        path: Where it will be.
        durable: Wait until the disk has it. What can be made again need not be.
        mode: Its permissions, before the umask.
    """
    with staged_file(path, mode=mode) as (staging, file):
        yield file
        file.flush()
        if durable:
            os.fsync(file.fileno())
        staging.replace(path)
    if durable:
        sync(path.parent)


def create(path: Path, content: bytes, *, mode: int = 0o600) -> bool:
    """Writes a file unless there is one. Of several processes, one creates it and gets True."""
    with staged_file(path, mode=mode) as (staging, file):
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        try:
            path.hardlink_to(staging)
        except FileExistsError:
            return False
    sync(path.parent)
    return True


@contextlib.contextmanager
def staged_file(path: Path, *, mode: int = 0o666) -> Generator[tuple[Path, BinaryIO]]:
    """A new file beside `path`, by name and open. What the block does not move elsewhere is removed at its end."""
    staging, held = _begin(path, functools.partial(Path.touch, mode=mode))
    try:
        with staging.open("wb") as file:
            yield staging, file
    finally:
        os.close(held)
        staging.unlink(missing_ok=True)


@contextlib.contextmanager
def staged_folder(path: Path) -> Generator[Path]:
    """A new folder to fill, which is moved to `path` at the end of the block, or removed if the block fails.

    Raises:
        OSError: There is something at `path` by then.
    """
    staging, held = _begin(path, Path.mkdir)
    try:
        yield staging
        make_durable(staging)
        staging.rename(path)
        sync(path.parent)
    finally:
        os.close(held)
        shutil.rmtree(staging, ignore_errors=True)


def sweep(folder: Path) -> int:
    """Removes what killed writers left in a folder, and returns how much that was."""
    swept = 0
    for path in folder.glob(f".*{STAGING}"):
        with contextlib.suppress(OSError):  # being written, or somebody else's, or gone
            held = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                swept += 1
            finally:
                os.close(held)
    return swept


@contextlib.contextmanager
def lock(path: Path) -> Generator[None]:
    """Holds an exclusive lock for the length of a block, after waiting for whoever holds it."""
    with _lock_file(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _sign(descriptor)
        yield


@contextlib.contextmanager
def try_lock(path: Path, refusal: Callable[[str], Exception]) -> Generator[None]:
    """Holds an exclusive lock for the length of a block.

    Args:
        path: The lock's file. It stays; that it is there means nothing.
        refusal: Makes the error that is raised when another holds it, from whom that is: "process 123".
    """
    deadline = time.monotonic() + GLANCE_SECONDS
    with _lock_file(path) as descriptor:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise refusal(_holder(descriptor)) from None
            time.sleep(POLL_SECONDS)
        _sign(descriptor)
        yield


def is_locked(path: Path, *, shared: bool = False) -> bool:
    """Whether anybody holds the lock; with `shared`, whether anybody has a share of it."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, (fcntl.LOCK_EX if shared else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def holder(path: Path) -> int | None:
    """The id of the process that holds the lock for itself, or None."""
    if not is_locked(path):
        return None
    said = path.read_text(encoding="ascii", errors="replace").strip()
    return int(said) if said.isdigit() else None


def make_durable(folder: Path) -> None:
    """Waits until the disk has every file and folder under a folder, and the folder itself."""
    for path in [*sorted(folder.rglob("*"), reverse=True), folder]:
        sync(path)


def sync(path: Path) -> None:
    """Waits until the disk has a file, or a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _begin(path: Path, make: Callable[[Path], None]) -> tuple[Path, int]:
    """Something new beside `path`, and the descriptor that holds its lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(path.parent)
    while True:
        staging = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}{STAGING}")
        make(staging)
        with contextlib.suppress(FileNotFoundError):  # another process swept it before it was locked
            held = os.open(staging, os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_EX)
            if staging.exists():
                return staging, held
            os.close(held)


@functools.cache
def _sweep_once(folder: Path) -> None:
    sweep(folder)


@contextlib.contextmanager
def _lock_file(path: Path) -> Generator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def _holder(descriptor: int) -> str:
    process = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    return f"process {process}" if process.isdigit() else "another process"
