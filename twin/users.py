"""The users of a machine: this one, who may have no name and no home directory, and the others, who are kept out.

A container runs under any number, whether /etc/passwd knows it or not; Python and the libraries then raise KeyError
where they ask for its name.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from twin.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["called", "keep_out_others", "name", "stand_in"]

logger = logging.getLogger(__name__)

PRIVATE = 0o700
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def name() -> str | None:
    """This user's name, None where the machine knows none."""
    with contextlib.suppress(KeyError, OSError):  # which of the two depends on Python's version
        found = getpass.getuser()
        return found if found != _made_up() else None
    return None


def called(number: int) -> str:
    """How a user is told to people, by name where there is one."""
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return f"user number {number}"


def stand_in(home: Path) -> None:
    """Gives libraries a name and a home directory to find, for this process and its children, where there is none."""
    if name() is None:
        os.environ["LOGNAME"] = _made_up()
        if not os.environ.get("HOME"):
            os.environ["HOME"] = str(home)


def _made_up() -> str:
    return f"user-{os.geteuid()}"


def keep_out_others(folder: Path, parts: Iterable[Path] = ()) -> None:
    """Makes a folder that only this user may enter; one that is there already is closed to the others.

    A folder that is used for other things too (a home directory, or one like /tmp) is left as it is, and only its
    `parts` are closed. What cannot be closed is logged.

    Raises:
        PlatformError: The folder belongs to another user, or cannot be made.
    """
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        usable = os.access(folder, os.R_OK | os.W_OK | os.X_OK)
        owner = folder.stat().st_uid
    except OSError as error:
        raise PlatformError(
            f"TWIN_HOME={folder} cannot be used: {error.strerror}. Set it to a folder of your own."
        ) from error
    if not usable:
        whose = "this user" if owner == os.geteuid() else called(owner)
        raise PlatformError(
            f"TWIN_HOME={folder} belongs to {whose}, and {called(os.geteuid())} may not write there. Run this as its "
            "owner, or set TWIN_HOME to a folder of your own."
        )
    shared = _is_shared(folder)
    for path in (*(() if shared else (folder,)), *parts):
        _close(path)
    if shared:
        logger.warning("TWIN_HOME=%s is used for other things too, so it stays open; a folder in it is safer.", folder)


def _is_shared(folder: Path) -> bool:
    """Whether closing a folder would take it from others: one like /tmp, and a home directory or what holds it."""
    if folder.stat().st_mode & stat.S_ISVTX:
        return True
    with contextlib.suppress(KeyError):
        return Path(pwd.getpwuid(os.geteuid()).pw_dir).is_relative_to(folder)
    return folder == Path(folder.anchor)


def _close(path: Path) -> None:
    try:
        found = path.lstat()
        if found.st_uid != os.geteuid() or stat.S_ISLNK(found.st_mode) or not found.st_mode & OTHERS:
            return
        path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
        still_open = path.stat().st_mode & OTHERS
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("Others can enter %s, and it cannot be closed to them: %s", path, error.strerror)
        return
    if still_open:
        logger.warning("Others can enter %s: its file system keeps no permissions.", path)
