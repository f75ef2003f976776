"""The few git commands that reading a repository takes, run so that the repository cannot run anything itself."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from twin.collection import addresses
from twin.errors import PlatformError, SourceFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twin.settings import SourceSettings

__all__ = ["Blobs", "Entry", "clone", "is_repository", "tracked_files"]

CLONE_TIMEOUT_FACTOR = 15
"""A clone may take this many times what a web page may."""
SAFE = [
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "protocol.allow=never",
    "-c", "protocol.https.allow=always",
    "-c", "protocol.http.allow=always",
    "-c", "protocol.ssh.allow=always",
    "-c", "protocol.file.allow=always",
    "--no-replace-objects",
]  # fmt: skip


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One tracked path of a commit."""

    path: str
    sha: str
    size: int
    """Bytes; 0 for what is not a file."""
    is_file: bool


def is_repository(path: Path) -> bool:
    """Whether `path` is a work tree or a bare repository."""
    if (path / ".git").is_file() or (path / ".git" / "HEAD").is_file():
        return True
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def clone(url: str, folder: Path, settings: SourceSettings) -> None:
    """Fetches the newest commit of `url` into `folder`, as a bare repository.

    Raises:
        SourceFailed: It cannot be cloned; says what git said.
        SourceRefused: Its host is not on the public internet.
    """
    host, port = _host_of(url)
    if host and not settings.allow_private_addresses:
        _check_host(host, port)
    timeout = settings.timeout_seconds * CLONE_TIMEOUT_FACTOR
    follow = "initial" if settings.allow_private_addresses else "false"
    command = [
        "-c", f"http.followRedirects={follow}",
        "clone", "--quiet", "--bare", "--depth", "1", "--single-branch", "--no-tags", "--", url, str(folder),
    ]  # fmt: skip
    try:
        _git(command, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise SourceFailed(
            f"cloning {url} took more than {timeout:g} s (COLLECTION_TIMEOUT_SECONDS raises that)."
        ) from None
    except subprocess.CalledProcessError as error:
        raise SourceFailed(f"git could not clone {url}: {_said(error)}") from None


def tracked_files(folder: Path) -> Iterator[Entry]:
    """What the commit at HEAD holds, in git's own order, which is by path.

    Raises:
        SourceFailed: There is no commit, or git does not trust the folder.
    """
    try:
        listing = _git(["-C", str(folder), "ls-tree", "-r", "-l", "-z", "--full-tree", "HEAD"], timeout=120).stdout
    except subprocess.CalledProcessError as error:
        raise SourceFailed(f"git could not list the files of {folder}: {_said(error)}") from None
    for record in listing.split(b"\0"):
        if not record:
            continue
        attributes, _, path = record.partition(b"\t")
        mode, _, sha, size = attributes.decode("ascii").split()
        is_file = mode in ("100644", "100755")
        yield Entry(path=path.decode("utf-8", "replace"), sha=sha, size=int(size) if is_file else 0, is_file=is_file)


class Blobs:
    """Contents by object name, from one `git cat-file` process. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["git", *SAFE, "-C", str(folder), "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )

    def read(self, sha: str) -> bytes:
        """The content of one object.

        Raises:
            SourceFailed: The repository does not have it.
        """
        requests, answers = self._process.stdin, self._process.stdout
        if requests is None or answers is None:
            raise SourceFailed("git's pipes are closed")
        try:
            requests.write(sha.encode("ascii") + b"\n")
            requests.flush()
        except OSError as error:
            raise SourceFailed(f"git ended while it was read: {error}") from None
        header = answers.readline().split()
        if len(header) != 3:
            raise SourceFailed("the repository lacks this object; it may be damaged")
        content = answers.read(int(header[2]))
        answers.read(1)  # the line feed after every object
        return content

    def __enter__(self) -> Blobs:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.kill()
        self._process.wait()


def _git(arguments: list[str], *, timeout: float) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *SAFE, *arguments],
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            env=_environment(),
        )
    except FileNotFoundError:
        raise PlatformError("git is not installed: install it to read repositories.") from None


def _environment() -> dict[str, str]:
    """This process's environment, without what aims git elsewhere, and with every way of asking a person closed."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return inherited | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=15",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }


def _said(error: subprocess.CalledProcessError) -> str:
    lines = (error.stderr or b"").decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("fatal: ") if lines else f"exit code {error.returncode}"


def _host_of(url: str) -> tuple[str | None, int]:
    if "://" in url:
        parts = urlsplit(url)
        return parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme, 22)
    scp = re.match(r"[^@/]+@([^:/]+):", url)
    return (scp[1] if scp else None), 22


def _check_host(host: str, port: int) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceFailed(f"the host {host} is not found: {error}. Check the spelling and the network.") from None
    addresses.check(host, [str(entry[4][0]) for entry in found], allow_private=False)
