"""Starting and stopping mongod, run as a one-node replica set.

As a replica set it has transactions and change streams, like every Atlas cluster. Its member is the socket itself, so
its address is the same whenever it comes back.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from twin import disk
from twin.errors import PlatformError
from twin.processes import Child, wait_until
from twin.warehouse.mongod import address, failures, origin
from twin.warehouse.mongod.origin import Choice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twin.warehouse.mongod.binaries import Binary, Version

__all__ = ["RunningMongod", "answers", "command", "leave_replica_set", "prepare", "start"]

logger = logging.getLogger(__name__)

REPLICA_SET = "twin"
START_SECONDS = 60.0
ASK_MS = 5_000
"""How long a server may take to answer that it is well."""
END_SECONDS = 5.0
POLL_SECONDS = 0.1
CACHE_GB = 0.25
OPLOG_MB = 128
NOT_YET_INITIALIZED = 94
"""The server's error code for a replica set that has no configuration yet."""
CONFIRMS_FROM = 7
"""From this release on, raising the feature compatibility version has to be confirmed."""


class RunningMongod:
    """A mongod that accepts writes. Stops when the `with` block ends, or with this process at the latest."""

    def __init__(self, child: Child, socket: Path) -> None:
        self.child = child
        self.socket = socket

    @property
    def uri(self) -> str:
        """The connection string. Transactions work over it."""
        return address.uri_of(self.socket)

    def is_well(self) -> bool:
        """Whether it answers a command now."""
        return answers(self.uri)

    def stop(self) -> None:
        """Shuts the server down cleanly. Safe to call twice."""
        self.child.stop()

    def __enter__(self) -> RunningMongod:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def answers(uri: str) -> bool:
    """Whether the server at `uri` answers a command now."""
    with MongoClient(uri, serverSelectionTimeoutMS=ASK_MS, socketTimeoutMS=ASK_MS) as client:
        try:
            return bool(client.admin.command("ping"))
        except PyMongoError:
            return False


class _Ended(PlatformError):
    """The server ended before it was ready."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def start(
    folder: Path,
    *,
    log: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    wait_seconds: float = 20.0,
) -> RunningMongod:
    """Starts mongod over `folder` and returns when it accepts writes, in about a second.

    The data of an earlier run is found again, however it ended, at the same address.

    Args:
        folder: Where the data is, and the socket where that can be.
        log: The file that its output is appended to.
        on_line: Told each line of it.
        wait_seconds: How long a mongod that still uses the folder may take to end.

    Raises:
        PlatformError: No mongod here can open the data, another one uses it, or it ended; says why, and what to do.
    """
    socket = prepare(folder)
    choice = origin.choose(folder)
    _wait_until_free(socket, folder, wait_seconds)
    try:
        return _run(folder, socket, choice, log, on_line)
    except _Ended as ended:
        if ended.code != failures.WRONG_VERSION:
            raise
        for other in origin.others(folder, choice.binary):  # of an earlier llm-twin, which did not remember
            return _run(folder, socket, Choice(other), log, on_line)
        raise


def prepare(folder: Path) -> Path:
    """Makes the folders that the server needs, for this user alone; returns where its socket will be."""
    try:
        socket = address.socket_for(folder)
        (folder / "data").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise PlatformError(
            f"{folder} cannot be used for MongoDB's data: {error}. It must be a folder that belongs to you, on a disk "
            "that can be written to; TWIN_HOME says where."
        ) from error
    return socket


def _wait_until_free(socket: Path, folder: Path, seconds: float) -> None:
    """A second server would take the first one's socket away before it found the data in use."""
    deadline = time.monotonic() + seconds
    while _is_used(folder / "data", socket):
        if time.monotonic() > deadline:
            raise PlatformError(
                f"Another mongod uses {folder} and has not ended within {seconds:.0f} s. End it, or set TWIN_HOME to "
                "another folder."
            )
        time.sleep(POLL_SECONDS)


def _is_used(data: Path, socket: Path) -> bool:
    """A server that ends closes its socket some time before it lets go of its data."""
    with contextlib.suppress(OSError):  # a file system without locks: mongod says so itself
        if disk.is_locked(data / "mongod.lock"):
            return True
    return address.is_answered(socket)


def _run(
    folder: Path, socket: Path, choice: Choice, log: Path | None, on_line: Callable[[str], None] | None
) -> RunningMongod:
    data = folder / "data"
    as_member = ("--replSet", REPLICA_SET, "--oplogSize", str(OPLOG_MB))
    child = Child("mongod", [*command(choice.binary, data, socket), *as_member], log=log, on_line=on_line)
    running = RunningMongod(child, socket)
    try:
        series = _make_primary(running, choice, data)
    except BaseException:
        running.stop()
        raise
    origin.remember(folder, choice.binary, series)
    return running


def command(binary: Binary, data: Path, socket: Path) -> list[str]:
    """The server by itself, in no replica set."""
    return [
        str(binary.path),
        *("--dbpath", str(data)),
        *("--bind_ip", str(socket)),
        *("--filePermissions", "0600"),
        *("--wiredTigerCacheSizeGB", str(CACHE_GB)),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # There is no other member to hand over to, so there is nothing to wait for when it ends.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"),
        "--nounixsocket",  # no second socket in /tmp
        "--quiet",
    ]


def leave_replica_set(
    binary: Binary, data: Path, socket: Path, *, log: Path | None, on_line: Callable[[str], None] | None
) -> None:
    """Makes the server forget its replica set, so that the next start makes a new one."""
    with Child("mongod", command(binary, data, socket), log=log, on_line=on_line) as child, _client(socket) as client:
        try:
            _until(lambda: bool(_ask(client.admin, "ping")), f"mongod over {data}", child)
            client.drop_database("local")
        except (PlatformError, PyMongoError) as error:
            raise _failure(child, binary, data, error) from error


def _make_primary(running: RunningMongod, choice: Choice, data: Path) -> str:
    """Waits for the server, gives the replica set its one member, and waits until that is the primary.

    Returns the release that the data is compatible with, after it was raised where that was due.
    """
    with _client(running.socket) as client:
        admin = client.admin
        try:
            _until(lambda: bool(_ask(admin, "ping")), f"mongod over {data}", running.child)
            _configure(admin, str(running.socket))
            _until(lambda: bool(_ask(admin, "hello").get("isWritablePrimary")), "mongod's replica set", running.child)
            if choice.raised_from:
                _raise(admin, choice.raised_from, choice.binary.version)
            answer = admin.command({"getParameter": 1, "featureCompatibilityVersion": 1})
        except (PlatformError, PyMongoError) as error:
            raise _failure(running.child, choice.binary, data, error) from error
        return answer["featureCompatibilityVersion"]["version"]


def _client(socket: Path) -> MongoClient[dict[str, Any]]:
    return MongoClient(address.uri_of(socket), serverSelectionTimeoutMS=300, connectTimeoutMS=1_000)


def _until(ready: Callable[[], bool], what: str, child: Child) -> None:
    wait_until(ready, what=what, timeout=START_SECONDS, child=child)


def _failure(child: Child, binary: Binary, data: Path, error: Exception) -> PlatformError:
    """What an error on the way means: most come of the server having ended, which takes it a moment to do."""
    with contextlib.suppress(PlatformError):
        wait_until(lambda: child.poll() is not None, what="mongod's end", timeout=END_SECONDS)
    code = child.poll()
    if code is None and failures.NO_SPACE in str(error):
        return PlatformError(failures.no_room(data))
    if code is None:
        return error if isinstance(error, PlatformError) else PlatformError(f"mongod over {data} runs, but: {error}")
    child.wait(END_SECONDS)
    return _Ended(failures.explain(code, child.tail, data=data, binary=binary), code)


def _raise(admin: Any, data: Version, server: Version) -> None:
    """The last of MongoDB's steps for an upgrade: the data becomes that of the release which runs now."""
    logger.warning("The data of MongoDB %s is raised to %s, since only a newer mongod is here.", data.series, server)
    confirm = {"confirm": True} if server.major >= CONFIRMS_FROM else {}
    admin.command({"setFeatureCompatibilityVersion": server.series, **confirm})


def _ask(admin: Any, command: str) -> dict[str, Any]:
    """The answer to a command, or nothing while the server does not answer yet."""
    try:
        return admin.command(command)
    except PyMongoError:
        return {}


def _configure(admin: Any, address: str) -> None:
    """Makes `address` the replica set's one member: a new set, or one that last ran at another one."""
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
