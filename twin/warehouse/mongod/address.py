"""The socket that mongod listens on: a file in a folder that only its owner may enter, so no password is needed.

No port is opened. A socket's path may have 107 bytes (103 on macOS), and some file systems hold no sockets or keep no
permissions; then it lies in a folder of the user's own under XDG_RUNTIME_DIR or the folder for temporary files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote

from twin.errors import PlatformError

__all__ = ["is_answered", "socket_for", "uri_of"]

NAME = "mongod.sock"


def socket_for(folder: Path) -> Path:
    """Where the mongod over `folder` listens: the same place each time. The folder of the socket is made, and private.

    Raises:
        PlatformError: Another user holds the place, or no socket can be made there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _unfit(folder) is None:
        return folder / NAME
    elsewhere = _runtime_folder(folder)
    if reason := _unfit(elsewhere):
        raise PlatformError(
            f"No socket for mongod can be made in {folder} or {elsewhere}: {reason}. "
            "Set TWIN_HOME to a shorter path on a local disk, or TMPDIR to a short one."
        )
    return elsewhere / NAME


def uri_of(address: Path) -> str:
    """The connection string for a socket. Transactions work over it."""
    return f"mongodb://{quote(str(address), safe='')}/?directConnection=true"


def is_answered(address: Path) -> bool:
    """Whether a server listens there."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(address))
        except OSError:
            return False
    return True


def _runtime_folder(folder: Path) -> Path:
    """A short folder for the sockets of `folder` that belongs to this user alone."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    home = hashlib.blake2b(os.fsencode(folder.resolve()), digest_size=6).hexdigest()
    private = base / f"llm-twin-{os.geteuid()}-{home}"
    with contextlib.suppress(FileExistsError):
        private.mkdir(mode=0o700)
    found = private.lstat()  # not through a link that somebody else has put there
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PlatformError(
            f"{private} belongs to another user of this machine, so mongod's socket is not made there. "
            "Set TMPDIR (or XDG_RUNTIME_DIR) to a folder of your own."
        )
    return private


def _unfit(folder: Path) -> str | None:
    """Why a folder is no place for the socket; None where it is one, and closed to everybody else."""
    with contextlib.suppress(OSError):  # some file systems keep no permissions
        folder.chmod(0o700)
    found = folder.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o700:
        return "others may enter it"
    probe = folder / f".{os.getpid():0{len(NAME) - 1}}"  # as long a name
    with socket.socket(socket.AF_UNIX) as server:
        try:
            probe.unlink(missing_ok=True)  # of a process of this number that was killed just here
            server.bind(str(probe))
        except OSError as error:
            return str(error)
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()
    return None
