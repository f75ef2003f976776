"""TWIN_HOME: where everything is, and which local services run right now.

run.json          the running stack: its supervisor and each service's address (absent when nothing runs)
stack.lock        held by the one process that supervises services of this home
family.lock       held by every process of its services, down to the last grandchild
reviewer-token    the local reviewer's token
trigger-key       starts jobs over HTTP
reader-secret     what the names of readers are made with
mongo/            the embedded mongod's data
inbox/            what came through standard input, each text or file of lines under its hash
artifacts/        datasets and models (unless TWIN_ARTIFACTS_URL names a remote store)
index/            generations of the embedded vector index
models/           the converted base model
training/         working folders of training jobs
endpoint/         the desired and actual state of the local model endpoint
dagster/          DAGSTER_HOME
alerts/           what people were told and what waits to be sent
logs/             one file a service
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import msgspec

from twin import disk, users
from twin.errors import PlatformError
from twin.settings import HomeSettings, ReviewSettings, ScheduleSettings, read

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Home", "RunState", "ServiceState"]

PROBE_BYTES = 64 * 1024


PARTS = (
    *(
        "run.json",
        "stack.lock",
        "family.lock",
        "reviewer-token",
        "reader-secret",
        "trigger-key",
        "mongo",
        "inbox",
        "artifacts",
    ),
    *("index", "models", "training", "endpoint", "dagster", "logs", "cache", "alerts"),
)


class ServiceState(msgspec.Struct, frozen=True, kw_only=True):
    """One running service."""

    url: str
    pid: int
    word: str = ""
    """What a service that speaks HTTP says in each answer's header; see `twin.processes.handover`."""


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """The running stack."""

    pid: int
    """The supervisor's process id."""
    command: str | None = None
    """The command that runs the services for as long as it lasts; None for `llm-twin up`, which runs until stopped."""
    services: dict[str, ServiceState] = {}


class Home:
    """The folder of one twin."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def from_settings(cls) -> Home:
        return cls(read(HomeSettings).root)

    @property
    def mongo(self) -> Path:
        return self.root / "mongo"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def index(self) -> Path:
        return self.root / "index"

    @property
    def training(self) -> Path:
        return self.root / "training"

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"

    @property
    def alerts(self) -> Path:
        return self.root / "alerts"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def lock(self) -> Path:
        return self.root / "stack.lock"

    @property
    def family(self) -> Path:
        """Locked by each process of the stack as long as it lives; see `twin.processes.lifeline`."""
        return self.root / "family.lock"

    @property
    def _run_file(self) -> Path:
        return self.root / "run.json"

    def keep_out_others(self) -> None:
        """Makes the folder, and lets no other user of the machine into it or into what is in it.

        Raises:
            PlatformError: It belongs to another user, or cannot be made.
        """
        users.keep_out_others(self.root, (self.root / part for part in PARTS))

    def check_room(self) -> None:
        """Writes and removes a file.

        Raises:
            PlatformError: That cannot be done here; says why and what to do.
        """
        probe = self.root / f"room.{os.getpid()}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b" " * PROBE_BYTES)
            probe.unlink()
        except OSError as error:
            raise PlatformError(
                f"TWIN_HOME ({self.root}) cannot be written: {error.strerror}. Make room or let this user write there, "
                "or set TWIN_HOME to another folder."
            ) from error

    def run_state(self) -> RunState | None:
        """The stack that runs now, or None. What a killed supervisor left is none, even if its id is in use again."""
        try:
            state = msgspec.json.decode(self._run_file.read_bytes(), type=RunState)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return state if disk.is_locked(self.lock) else None

    def write_run_state(self, state: RunState) -> None:
        """Tells everyone where the services are; readers see the old state or the new."""
        disk.write(self._run_file, msgspec.json.format(msgspec.json.encode(state)))

    def clear_run_state(self) -> None:
        """Says that nothing runs any more."""
        self._run_file.unlink(missing_ok=True)

    def service_url(self, name: str) -> str | None:
        """The address of a service of the running stack, or None when it does not run."""
        state = self.run_state()
        service = state.services.get(name) if state else None
        return service.url if service else None

    def reviewer_token(self) -> str:
        """The reviewer's token: REVIEWER_TOKEN, else this home's, made on first use and readable by its owner only."""
        if token := read(ReviewSettings).token:
            return token.get_secret_value()
        return self._secret("reviewer-token").decode()

    def trigger_key(self) -> str:
        """What starts jobs over HTTP: TWIN_TRIGGER_KEY, else this home's own."""
        if key := read(ScheduleSettings).trigger_key:
            return key.get_secret_value()
        return self._secret("trigger-key").decode()

    def reader_secret(self) -> bytes:
        """What the names of readers are made with, so that nobody can tell from a name who that is."""
        return self._secret("reader-secret")

    def _secret(self, name: str) -> bytes:
        """A secret of this home, made on first use and readable by its owner only."""
        path = self.root / name
        if not path.exists():
            disk.create(path, secrets.token_urlsafe(24).encode())  # if another process was first, its secret counts
        return path.read_bytes().strip()
