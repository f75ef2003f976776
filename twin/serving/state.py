"""What the local endpoint and its host tell each other, as files in `TWIN_HOME/endpoint`.

desired.json   what should be served; written by `LocalEndpoint`, read by the host
status.json    what is served, and how the last request ended; written by the host, read by everyone
host.lock      locked by the host for as long as it lives, so a killed host is seen at once
"""

import contextlib
import logging
import os
import time
import uuid
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from twin import disk
from twin.errors import PlatformError
from twin.serving.endpoint import EndpointState

__all__ = ["EndpointConfig", "EndpointFiles", "HostStatus", "Request"]

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=msgspec.Struct)


class EndpointConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One version to serve. A config never changes; another version or other weights are another config."""

    version: str
    folder: str
    """Where its files are; within TWIN_HOME relative to it, so that a home that was moved finds them."""
    sha256: str = ""
    """Of the weights that were approved. What an earlier version of the twin wrote has none, and is not served."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What should be served from now on; no config means nothing."""

    config: EndpointConfig | None
    requested_at: datetime
    held: tuple[str, ...] = ()
    """`EndpointStatus.held` from now on."""
    id: str = msgspec.field(default_factory=lambda: uuid.uuid4().hex)


class HostStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the host serves."""

    state: EndpointState = "Absent"
    config: EndpointConfig | None = None
    """What answers at `url`; while nothing does, what did last and will again."""
    url: str | None = None
    pid: int | None = None
    """The model process (its guard, which passes signals on)."""
    previous: EndpointConfig | None = None
    message: str = ""
    answered: str | None = None
    """The id of the last request that came to an end."""
    error: str | None = None
    """Why it could not be met."""
    host: int | None = None
    """The process id of the host that says so: what a dead one said is not believed once another has the lock."""
    attempts: int = 0
    """How often in a row what answered last did not start again, or ended soon."""


class EndpointFiles:
    """Reads and writes the state. Readers see a whole file, the old one or the new one."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.folder = root / "endpoint"
        self._desired = self.folder / "desired.json"
        self._status = self.folder / "status.json"
        self._lock = self.folder / "host.lock"
        self._last_beat = 0.0
        self._cache: dict[Path, tuple[tuple[int, int], msgspec.Struct | None]] = {}

    def config(self, version: str, folder: Path, sha256: str) -> EndpointConfig:
        """A version whose files are in `folder`."""
        folder = folder.resolve()
        kept = folder.relative_to(self.root) if folder.is_relative_to(self.root) else folder
        return EndpointConfig(version=version, folder=str(kept), sha256=sha256)

    def place(self, config: EndpointConfig) -> Path:
        """Where the files of a version are now."""
        return self.root / config.folder

    def request(self) -> Request | None:
        """What should be served, if anyone has said so yet."""
        return self._read(self._desired, Request)

    def write_request(self, request: Request) -> None:
        self._write(self._desired, request)

    def status(self) -> HostStatus:
        """What the host said last; it may be dead since (`host_is_running`)."""
        return self._read(self._status, HostStatus) or HostStatus()

    def write_status(self, status: HostStatus) -> None:
        self._write(self._status, status)

    def host_is_running(self) -> bool:
        """Whether a host holds the lock."""
        return disk.is_locked(self._lock)

    def host(self) -> int | None:
        """The process id of the host that holds the lock, if one does."""
        return disk.holder(self._lock)

    def beat(self) -> None:
        """The host's sign of life, many times a minute; at most one a second reaches the disk."""
        if time.monotonic() - self._last_beat >= 1.0:
            self._last_beat = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(self._lock)

    def since_last_beat(self) -> float:
        """Seconds since the host's last sign of life."""
        try:
            return time.time() - self._lock.stat().st_mtime
        except FileNotFoundError:
            return float("inf")

    @contextlib.contextmanager
    def host_lock(self) -> Generator[None]:
        """Holds the host's lock for the length of a block.

        Raises:
            PlatformError: Another host holds it.
        """

        def refusal(holder: str) -> PlatformError:
            return PlatformError(f"Another endpoint host ({holder}) serves {self.folder}. Stop it with `make down`.")

        with disk.try_lock(self._lock, refusal):
            yield

    def _read(self, path: Path, kind: type[S]) -> S | None:
        """The content of a file, read again only when the file was replaced."""
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        stamp = stat.st_mtime_ns, stat.st_ino
        cached = self._cache.get(path)
        if cached is not None and cached[0] == stamp and (cached[1] is None or isinstance(cached[1], kind)):
            return cached[1]
        try:
            content = msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:  # another version's, or edited by hand; told once for each state of it
            logger.warning("%s cannot be read and counts as absent: %s", path, error)
            content = None
        self._cache[path] = stamp, content
        return content

    def _write(self, path: Path, content: msgspec.Struct) -> None:
        disk.write(path, msgspec.json.format(msgspec.json.encode(content)))
