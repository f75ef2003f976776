"""The way to a MongoDB server: opened on first use, bounded waits, and errors that say what to do."""

from __future__ import annotations

import contextlib
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, ConnectionFailure, InvalidURI, OperationFailure

from twin.errors import SettingsError, WarehouseUnavailable
from twin.warehouse import indexes

if TYPE_CHECKING:
    from collections.abc import Generator

    from pymongo.database import Database

__all__ = ["Connection", "client_options", "explaining", "host_of"]

Row = dict[str, Any]

STALL_SECONDS = 30.0
"""A server that has accepted a command and says nothing for this long counts as gone."""
REFUSED_CODES = frozenset({13, 18, 8000})
"""The server's and Atlas's error codes for credentials that do not let us in."""
INTERRUPTED_CODES = frozenset({91, 11600, 11602, 10107, 13435, 189})
"""The server's error codes for going down, or for no longer being the primary."""


class Connection:
    """One database of a server. Nothing is connected until `database` is used."""

    def __init__(self, uri: str, database: str, *, timeout_seconds: float) -> None:
        self.host = host_of(uri)
        self._uri = uri
        self._name = database
        self._timeout = timeout_seconds
        self._indexed = False
        self._indexing = threading.Lock()

    def __repr__(self) -> str:
        return f"Connection(host={self.host!r}, database={self._name!r})"

    @cached_property
    def client(self) -> MongoClient[Row]:
        return MongoClient(self._uri, **client_options(self._timeout))

    @property
    def database(self) -> Database[Row]:
        return self.client[self._name]

    def reaching(self) -> contextlib.AbstractContextManager[None]:
        """Within the block, the driver's errors become ours."""
        return explaining(self.host)

    def ensure_indexes(self) -> None:
        """Makes the indexes that queries need, once. Whoever writes calls it first."""
        with self._indexing:
            if not self._indexed:
                indexes.create(self.database)
                self._indexed = True

    def close(self) -> None:
        """Closes the connections. Safe to call when there are none."""
        if "client" in self.__dict__:
            self.client.close()
            del self.client


def client_options(timeout_seconds: float) -> dict[str, Any]:
    """The options that every client of ours has, synchronous or not."""
    milliseconds = int(timeout_seconds * 1_000)
    return {
        "appname": "llm-twin",
        "tz_aware": True,
        "serverSelectionTimeoutMS": milliseconds,
        "connectTimeoutMS": milliseconds,
        "socketTimeoutMS": int(max(timeout_seconds, STALL_SECONDS) * 1_000),
    }


@contextlib.contextmanager
def explaining(host: str) -> Generator[None]:
    """Turns the driver's errors into this project's.

    Raises:
        WarehouseUnavailable: The server cannot be reached, went away, or does not let us in.
        SettingsError: The connection string cannot be understood.
    """
    try:
        yield
    except (InvalidURI, ConfigurationError) as error:
        raise SettingsError(f"MONGODB_URI does not fit: {_without_credentials(error)}.", detail=repr(error)) from None
    except ConnectionFailure as error:
        raise WarehouseUnavailable(
            f"MongoDB at {host} does not answer. Is it running? `llm-twin doctor` checks it; "
            "what was being written is completed by running the same command again.",
            detail=str(error),
        ) from error
    except OperationFailure as error:
        if error.code in REFUSED_CODES:
            raise WarehouseUnavailable(
                f"MongoDB at {host} does not accept the credentials in MONGODB_URI, or they lack the right to do this.",
                detail=str(error),
            ) from error
        if error.code in INTERRUPTED_CODES:
            raise WarehouseUnavailable(
                f"MongoDB at {host} is shutting down or changing its primary. Try again in some seconds.",
                detail=str(error),
            ) from error
        raise


def host_of(uri: str) -> str:
    """The host part of a connection string, which is safe to show: no credentials, no options."""
    rest = uri.partition("://")[2] or uri
    host = rest.rpartition("@")[2].split("/")[0].split("?")[0]
    return unquote(host) if host.startswith("%2F") else host  # the path of a socket


def _without_credentials(error: Exception) -> str:
    message = str(error).rstrip(".")
    return message if "@" not in message else "it is not a valid connection string"
