"""The few git commands that reading a repository takes, run so that the repository cannot run anything itself."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from twin.collection.web import addresses, proxies
from twin.errors import PlatformError, SourceFailed
from twin.settings import SourceSettings, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


__all__ = ["Blobs", "Entry", "fetch", "is_repository", "local_head", "marked", "newest", "remote_head", "tracked_files"]

NEWEST = "refs/twin/newest"
"""Where a kept clone has the commit that was at HEAD."""
ATTRIBUTES = {"linguist-generated": "it is generated", "linguist-vendored": "it is other people's code"}
TIMEOUT_FACTOR = 15
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


def remote_head(url: str, settings: SourceSettings) -> str:
    """The commit at HEAD of a repository elsewhere, by one request.

    Raises:
        SourceFailed: It cannot be reached, or has no commit; says what git said.
        SourceRefused: Its host is not on the public internet.
    """
    listed = _remote(url, ["ls-remote", "--quiet", "--", url, "HEAD"], settings).stdout.split()
    if not listed:
        raise SourceFailed(f"{url} has no commit at HEAD: it is empty, or its default branch was deleted.")
    return listed[0].decode("ascii", "replace")


def newest(folder: Path) -> str:
    """The commit that `fetch` brought."""
    return local_head(folder, NEWEST)


def local_head(folder: Path, name: str = "HEAD") -> str:
    """The commit at HEAD, or at another name, of a repository on this machine.

    Raises:
        SourceFailed: There is no commit, or git does not trust the folder.
    """
    try:
        return (
            _git(["-C", str(folder), "rev-parse", "--verify", f"{name}^{{commit}}"], timeout=120)
            .stdout.decode()
            .strip()
        )
    except subprocess.CalledProcessError as error:
        raise SourceFailed(f"git could not find a commit in {folder}: {_said(error)}") from None


def fetch(url: str, folder: Path, settings: SourceSettings) -> None:
    """Brings the newest commit of `url` into the bare repository `folder`, which is made when it is not there.

    What it holds already is not sent again. A history that was rewritten makes no difference: only the newest commit
    counts, and it is fetched without the others.

    Raises:
        SourceFailed: It cannot be fetched; says what git said.
        SourceRefused: Its host is not on the public internet.
    """
    command = [
        "-C", str(folder), "-c", "gc.autoDetach=false", "-c", "gc.pruneExpire=now",
        "fetch", "--quiet", "--depth", "1", "--update-shallow", "--no-tags", "--force", "--", url, f"+HEAD:{NEWEST}",
    ]  # fmt: skip
    if is_repository(folder):
        try:
            _remote(url, command, settings)
        except SourceFailed:
            shutil.rmtree(folder)  # a clone that was cut off, or whose objects are damaged: once more from nothing
        else:
            return
    _git(["init", "--quiet", "--bare", "--", str(folder)], timeout=120)
    _remote(url, command, settings)


def tracked_files(folder: Path, commit: str) -> Iterator[Entry]:
    """What a commit holds, in git's own order, which is by path.

    Raises:
        SourceFailed: There is no commit, or git does not trust the folder.
    """
    try:
        listing = _git(["-C", str(folder), "ls-tree", "-r", "-l", "-z", "--full-tree", commit], timeout=120).stdout
    except subprocess.CalledProcessError as error:
        raise SourceFailed(f"git could not list the files of {folder}: {_said(error)}") from None
    for record in listing.split(b"\0"):
        if not record:
            continue
        attributes, _, path = record.partition(b"\t")
        mode, _, sha, size = attributes.decode("ascii").split()
        is_file = mode in ("100644", "100755")
        yield Entry(path=path.decode("utf-8", "replace"), sha=sha, size=int(size) if is_file else 0, is_file=is_file)


def marked(folder: Path, commit: str) -> dict[str, str]:
    """The paths that the repository's own .gitattributes declare to be generated or other people's, and which."""
    with tempfile.TemporaryDirectory(prefix="llm-twin-git-") as scratch:
        index = {"GIT_INDEX_FILE": f"{scratch}/index"}
        try:
            _git(["-C", str(folder), "read-tree", commit], timeout=120, extra=index)
            paths = _git(["-C", str(folder), "ls-files", "-z", "--cached"], timeout=120, extra=index).stdout
            command = ["-C", str(folder), "check-attr", "--cached", "--stdin", "-z", *ATTRIBUTES]
            told = _git(command, timeout=120, given=paths, extra=index).stdout.decode("utf-8", "replace").split("\0")
        except subprocess.CalledProcessError as error:
            raise SourceFailed(f"git could not read the attributes of {folder}: {_said(error)}") from None
    triples = zip(told[::3], told[1::3], told[2::3], strict=False)
    return {path: ATTRIBUTES[attribute] for path, attribute, value in triples if value in ("set", "true")}


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


def _remote(url: str, command: list[str], settings: SourceSettings) -> subprocess.CompletedProcess[bytes]:
    """Runs a git command that talks to the host of `url`, at an address that was checked."""
    timeout = settings.timeout_seconds * TIMEOUT_FACTOR
    follow = "initial" if settings.allow_private_addresses else "false"
    try:
        return _git(["-c", f"http.followRedirects={follow}", *_pinned(url, settings), *command], timeout=timeout)
    except subprocess.TimeoutExpired:
        raise SourceFailed(
            f"cloning {url} took more than {timeout:g} s (COLLECTION_TIMEOUT_SECONDS raises that)."
        ) from None
    except subprocess.CalledProcessError as error:
        raise SourceFailed(f"git could not clone {url}: {_said(error)}") from None


def _git(
    arguments: list[str], *, timeout: float, given: bytes = b"", extra: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *SAFE, *arguments],
            check=True,
            capture_output=True,
            input=given,
            timeout=timeout,
            env=_environment() | (extra or {}),
        )
    except FileNotFoundError:
        raise PlatformError("git is not installed: install it to read repositories.") from None


def _environment() -> dict[str, str]:
    """This process's environment, without what aims git elsewhere, and with every way of asking a person closed."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    if certificates := os.environ.get("GIT_SSL_CAINFO"):
        inherited["GIT_SSL_CAINFO"] = certificates
    return proxies.environment(read(SourceSettings).proxy, inherited) | {
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


def _pinned(url: str, settings: SourceSettings) -> list[str]:
    """The options that keep git to the addresses of the host that were checked, over http(s)."""
    host, port = _host_of(url)
    if not host or settings.allow_private_addresses:
        return []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceFailed(f"the host {host} is not found: {error}. Check the spelling and the network.") from None
    checked = addresses.check(host, list(dict.fromkeys(str(entry[4][0]) for entry in found)), allow_private=False)
    if not url.lower().startswith("http"):
        return []
    targets = ",".join(f"[{address}]" if ":" in address else address for address in checked)
    return ["-c", f"http.curloptResolve={host}:{port}:{targets}"]
