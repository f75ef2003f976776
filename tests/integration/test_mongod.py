"""The embedded mongod, really started, stopped and killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest
from pymongo import MongoClient

from twin.errors import PlatformError
from twin.processes import free_port
from twin.warehouse import mongod

if TYPE_CHECKING:
    from pathlib import Path


def test_transactions_work_over_its_uri(mongo_uri: str, mongo_database: str) -> None:
    with MongoClient(mongo_uri) as client:
        things = client[mongo_database]["things"]
        things.insert_one({"_id": 0})
        with client.start_session() as session:
            with session.start_transaction():
                things.insert_one({"_id": 1}, session=session)
            with session.start_transaction():
                things.insert_one({"_id": 2}, session=session)
                session.abort_transaction()
        assert {thing["_id"] for thing in things.find()} == {0, 1}


def test_data_survives_a_kill_and_a_changed_port(tmp_path: Path) -> None:
    first = mongod.start(tmp_path)
    with MongoClient(first.uri) as client:
        client.twin.things.insert_one({"_id": "kept"})
    for process in psutil.Process(first.child.pid).children():
        process.kill()
    first.stop()
    port = free_port()
    with mongod.start(tmp_path, port=port) as second, MongoClient(second.uri) as client:
        assert second.port == port != first.port
        assert client.twin.things.find_one() == {"_id": "kept"}
        client.twin.things.insert_one({"_id": "writable"})


def test_a_taken_port_is_replaced_by_a_free_one_and_a_used_folder_is_an_error(tmp_path: Path) -> None:
    with mongod.start(tmp_path / "a") as first:
        with mongod.start(tmp_path / "b", port=first.port) as second:
            assert second.port != first.port
        with pytest.raises(PlatformError, match="another mongod using this folder"):
            mongod.start(tmp_path / "a")
