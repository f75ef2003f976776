"""The locks of collecting and of publishing: one writer at a time, over all that share a database.

A lock is a lease: it runs out by itself when its holder dies, and a thread renews it while the holder lives. Only the
server's clock counts, so those of the machines need not agree. Of a holder on this machine it can be seen that it is
dead; its lock is taken over at once. A holder that lost its lock is stopped before its next write, see `twin.fencing`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pymongo import ReturnDocument

from twin import fencing
from twin.errors import PublishConflict, WarehouseUnavailable
from twin.processes.identity import ProcessIdentity

if TYPE_CHECKING:
    from collections.abc import Generator

    from twin.warehouse.connection import Connection

__all__ = ["Lease", "hold"]

Lock: TypeAlias = Literal["collect", "publish"]

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5


class Lease:
    """The right to write, for as long as it is renewed."""

    def __init__(self, connection: Connection, lock: Lock, owner: str, seconds: float) -> None:
        self.owner = owner
        self.lock = lock
        self.lost = threading.Event()
        """Set when someone else has taken the lock because it could not be renewed in time."""
        self._connection = connection
        self._milliseconds = int(seconds * 1_000)
        self._token = uuid.uuid4().hex
        self._released = threading.Event()
        self._renewer = threading.Thread(target=self._renew_until_released, name=f"{lock}-lease", daemon=True)

    def acquire(self, wait_seconds: float = 0) -> None:
        """Takes the lock, or after `wait_seconds` raises PublishConflict with who holds it and until when."""
        deadline = time.monotonic() + wait_seconds
        told = False
        while True:
            try:
                self._take()
            except PublishConflict as conflict:
                if time.monotonic() >= deadline:
                    raise
                if not told:
                    logger.warning("%s waits up to %.0f s: %s", self.owner, wait_seconds, conflict)
                told = True
                time.sleep(RETRY_SECONDS)
            else:
                self._renewer.start()
                return

    def _take(self) -> None:
        free = {"$lte": [{"$ifNull": ["$expires_at", "$$NOW"]}, "$$NOW"]}
        process = {"$literal": str(ProcessIdentity.own())}
        owner = {"$literal": self.owner}
        mine = {"owner": owner, "process": process, "token": self._token, "expires_at": self._expiry}
        take_if_free = [
            {"$set": {"free": free}},
            {"$set": {field: {"$cond": ["$free", value, f"${field}"]} for field, value in mine.items()}},
            {"$unset": "free"},
        ]
        with self._connection.reaching():
            lock = self._locks.find_one_and_update(
                {"_id": self.lock}, take_if_free, upsert=True, return_document=ReturnDocument.AFTER
            )
        if lock.get("token") == self._token:
            return
        owner, holder = lock.get("owner") or "Another writer", ProcessIdentity.read(lock.get("process"))
        if holder is None or holder.state != "dead":
            raise PublishConflict(
                f"{owner} is {self.lock}ing, and holds the lock until {lock['expires_at']:%H:%M:%S} UTC or longer. "
                "Wait until it has ended; if it was killed, the lock frees itself at that time."
            )
        logger.warning("%s takes over the %sing lock of %s, whose process is dead.", self.owner, self.lock, owner)
        with self._connection.reaching():
            self._locks.delete_one({"_id": self.lock, "token": lock["token"]})
        self._take()

    def check(self) -> None:
        """Makes sure that the lock is still held, and will be for its whole time from now.

        Raises:
            PublishConflict: Someone else has taken it.
            WarehouseUnavailable: MongoDB does not answer.
        """
        if not self._renew():
            self.lost.set()
            raise self._loss()

    def release(self) -> None:
        """Gives the lock back.

        Raises:
            PublishConflict: The lock was lost on the way, so someone else may have published in between.
        """
        self._released.set()
        self._renewer.join()
        with self._connection.reaching():
            given_back = self._locks.delete_one({"_id": self.lock, "token": self._token}).deleted_count
        if not given_back:
            raise self._loss()

    def _loss(self) -> PublishConflict:
        return PublishConflict(
            f"{self.owner} lost the {self.lock}ing lock before it had ended: MongoDB could not be reached for longer "
            "than the lease. It has changed no document, dataset or index since then; another writer may have. Run "
            "this again."
        )

    def _renew(self) -> bool:
        """Lets the lease run from now on, if it is still ours."""
        with self._connection.reaching():
            mine = {"_id": self.lock, "token": self._token}
            return self._locks.update_one(mine, [{"$set": {"expires_at": self._expiry}}]).matched_count > 0

    @property
    def _locks(self) -> Any:
        return self._connection.database["locks"]

    @property
    def _expiry(self) -> dict[str, Any]:
        return {"$add": ["$$NOW", self._milliseconds]}

    def _renew_until_released(self) -> None:
        while not self._released.wait(self._milliseconds / 3_000):
            try:
                kept = self._renew()
            except WarehouseUnavailable as error:
                logger.warning("The %sing lock could not be renewed, trying again: %s", self.lock, error)
                continue
            if not kept:
                self.lost.set()
                return


@contextlib.contextmanager
def hold(connection: Connection, lock: Lock, owner: str, seconds: float, wait_seconds: float = 0) -> Generator[Lease]:
    """Holds a lock within the block, and keeps what is written there from being written once the lock is lost.

    Raises:
        PublishConflict: Someone else holds it, or it was lost before the block ended.
        WarehouseUnavailable: MongoDB does not answer.
    """
    lease = Lease(connection, lock, owner, seconds)
    lease.acquire(wait_seconds)
    try:
        with fencing.fenced(lease.check):
            yield lease
    except BaseException:
        try:
            lease.release()
        except (PublishConflict, WarehouseUnavailable) as error:  # the block's own error is the one to show
            logger.warning("The %sing lock was not given back: %s", lock, error)
        raise
    lease.release()
