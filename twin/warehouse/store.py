"""The warehouse: everything that is kept in MongoDB, as records; one part a concern, over one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from twin.records import utcnow
from twin.warehouse import lease
from twin.warehouse.cleaned import CleanedDocuments
from twin.warehouse.connection import Connection
from twin.warehouse.copies import Copies
from twin.warehouse.documents import RawDocuments
from twin.warehouse.feedback import Ratings
from twin.warehouse.interactions import Interactions
from twin.warehouse.runs import Runs
from twin.warehouse.sources import Sources
from twin.warehouse.transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime

__all__ = ["Warehouse"]


class Warehouse:
    """Documents with revisions and tombstones, their cleaned forms, sources, interactions, feedback and the two locks.

    Connects on first use. Safe to share between threads. Every method, of the parts too, raises WarehouseUnavailable
    when MongoDB does not answer within `timeout_seconds`; what was written until then is whole, and repeating the call
    completes it.
    """

    def __init__(
        self,
        uri: str,
        database: str,
        *,
        timeout_seconds: float = 5.0,
        max_vanished_share: float = 0.5,
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        connection = Connection(uri, database, timeout_seconds=timeout_seconds)
        self._connection = connection
        self.documents = RawDocuments(connection, max_vanished_share, clock)
        """What sources showed: the raw documents."""
        self.copies = Copies(connection)
        """Which cleaned documents are copies of which."""
        self.cleaned = CleanedDocuments(connection, self.copies)
        """What every later step reads: the cleaned documents."""
        self.sources = Sources(connection, clock)
        """What the twin reads, and how the last look at each place went."""
        self.runs = Runs(connection, clock)
        """The runs of collection."""
        self.interactions = Interactions(connection)
        """Questions with their answers."""
        self.ratings = Ratings(connection)
        """What readers said of the answers."""
        self.transfer = Transfer(connection, clock)
        """Export and import of all of it."""

    @property
    def host(self) -> str:
        """The server, without credentials."""
        return self._connection.host

    def ping(self) -> None:
        """Returns when the server has answered."""
        with self._connection.reaching():
            self._connection.database.command("ping")

    def close(self) -> None:
        """Closes the connections; the next use opens them again."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish_lock(
        self, owner: str, *, lease_seconds: float = 60, wait_seconds: float = 0
    ) -> AbstractContextManager[lease.Lease]:
        """Holds the one publishing lock within the block, however long the block takes.

        Raises:
            PublishConflict: Someone else still holds it after `wait_seconds` (who, and until when, is in the message),
                or it was lost.
        """
        return lease.hold(self._connection, "publish", owner, lease_seconds, wait_seconds)

    def collect_lock(
        self, owner: str, *, lease_seconds: float = 60, wait_seconds: float = 0
    ) -> AbstractContextManager[lease.Lease]:
        """Holds the lock of whoever writes raw documents; see `publish_lock`.

        Apart from that one, as reading a large site takes hours, in which a trained model must not wait to be stored.
        """
        return lease.hold(self._connection, "collect", owner, lease_seconds, wait_seconds)
