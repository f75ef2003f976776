"""The embedded mongod, really started, stopped, killed, moved and damaged."""

from __future__ import annotations

import asyncio
import shutil
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil
import pytest
from pymongo import AsyncMongoClient, MongoClient

from twin.errors import PlatformError, WarehouseUnavailable
from twin.records import Interaction
from twin.warehouse import AsyncInteractions, mongod

if TYPE_CHECKING:
    from collections.abc import Callable
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


def test_an_asynchronous_client_reaches_it_too(mongo_uri: str) -> None:
    async def ping() -> float:
        async with AsyncMongoClient(mongo_uri) as client:
            return (await client.admin.command("ping"))["ok"]

    assert asyncio.run(ping()) == 1.0


def test_no_port_is_opened_and_nobody_else_may_enter_the_folder_of_the_socket(tmp_path: Path) -> None:
    with mongod.start(tmp_path / "mongo") as running:
        (server,) = psutil.Process(running.child.pid).children()
        assert server.net_connections("inet") == []
        assert running.socket.is_socket()
        assert stat.S_IMODE(running.socket.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(running.socket.stat().st_mode) == 0o600
    assert not running.socket.exists()


def test_data_survives_a_kill_and_a_move(tmp_path: Path) -> None:
    first = mongod.start(tmp_path / "here")
    with MongoClient(first.uri) as client:
        client.twin.things.insert_one({"_id": "kept"})
    for process in psutil.Process(first.child.pid).children():
        process.kill()
    first.stop()
    (tmp_path / "here").rename(tmp_path / "there")
    with mongod.start(tmp_path / "there") as second, MongoClient(second.uri) as client:
        assert second.uri != first.uri
        assert client.twin.things.find_one() == {"_id": "kept"}
        client.twin.things.insert_one({"_id": "writable"})


def test_a_server_that_is_still_there_keeps_its_socket_and_one_that_ends_is_waited_for(tmp_path: Path) -> None:
    first = mongod.start(tmp_path)
    with pytest.raises(PlatformError, match="Another mongod uses"):
        mongod.start(tmp_path, wait_seconds=0)
    with MongoClient(first.uri) as client:
        assert client.admin.command("ping")["ok"] == 1
    (server,) = psutil.Process(first.child.pid).children()
    server.terminate()
    with mongod.start(tmp_path) as second:
        assert second.uri == first.uri
    first.stop()


def an_interaction(key: str) -> Interaction:
    asked = datetime(2026, 1, 1, tzinfo=UTC)
    return Interaction(
        id=key, trace_id=key, created_at=asked, question="Why?", author=None, answer="So.", status="answered"
    )


def test_a_client_finds_a_server_that_comes_back(tmp_path: Path) -> None:
    first = mongod.start(tmp_path)

    async def lose_and_find() -> list[Interaction | None]:
        interactions = AsyncInteractions(first.uri, "t", timeout_seconds=1)
        await interactions.record(an_interaction("before"))
        for process in psutil.Process(first.child.pid).children():
            process.kill()
        first.stop()
        with pytest.raises(WarehouseUnavailable):
            await interactions.record(an_interaction("lost"))
        with mongod.start(tmp_path) as second:
            assert second.uri == first.uri
            await interactions.record(an_interaction("after"))
            found = [await interactions.get(key) for key in ("before", "lost", "after")]
        await interactions.close()
        return found

    assert asyncio.run(lose_and_find()) == [an_interaction("before"), None, an_interaction("after")]


def break_collection(data: Path) -> str:
    path = max(data.glob("collection-*.wt"), key=lambda each: each.stat().st_size)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path.name


def break_metadata(data: Path) -> str:
    (data / "WiredTiger.turtle").write_bytes(b"garbage")
    return "WiredTiger.turtle"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a server that holds a hundred things."""
    folder = tmp_path_factory.mktemp("sound")
    with mongod.start(folder) as running, MongoClient(running.uri) as client:
        client.twin.things.insert_many({"_id": number, "text": "words " * 400} for number in range(100))
    return folder


@pytest.mark.parametrize("damage", [break_collection, break_metadata])
def test_damaged_data_is_named_and_what_can_be_read_is_saved(
    sound: Path, tmp_path: Path, damage: Callable[[Path], str]
) -> None:
    folder = tmp_path / "mongo"
    shutil.copytree(sound, folder)
    damaged = damage(folder / "data")
    with pytest.raises(PlatformError) as caught:
        mongod.start(folder)
    assert f"{damaged} is damaged" in str(caught.value)
    assert "warehouse repair" in str(caught.value)
    kept = mongod.repair(folder)
    assert (kept / damaged).exists()
    with mongod.start(folder) as running, MongoClient(running.uri) as client:
        assert client.admin.command("hello")["isWritablePrimary"]
        if damage is break_metadata:
            assert client.twin.things.count_documents({}) == 100
        client.twin.things.insert_one({"_id": "writable"})


def test_what_cannot_be_repaired_is_left_as_it_was(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mongo"
    shutil.copytree(sound, folder)
    (folder / "data" / "storage.bson").write_bytes(b"x")
    before = {path.name: path.read_bytes() for path in (folder / "data").glob("*.wt")}
    with pytest.raises(PlatformError, match="cannot repair"):
        mongod.repair(folder)
    assert {path.name: path.read_bytes() for path in (folder / "data").glob("*.wt")} == before
    assert not list(folder.glob("data-damaged-*"))


def test_data_that_another_release_made_is_opened_by_the_one_that_fits(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mongo"
    shutil.copytree(sound, folder)
    newer = tmp_path / "path" / "mongod"
    newer.parent.mkdir()
    newer.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'db version v8.0.4' && exit\nexit 62\n")
    newer.chmod(0o755)
    monkeypatch.setenv("PATH", str(newer.parent), prepend=":")
    with mongod.start(folder) as running, MongoClient(running.uri) as client:
        assert client.twin.things.count_documents({}) == 100
    (folder / "made-by.json").unlink()  # as an earlier llm-twin left it
    with mongod.start(folder) as running, MongoClient(running.uri) as client:
        assert client.twin.things.count_documents({}) == 100


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "mongo").write_text("not a folder")
    with pytest.raises(PlatformError, match="cannot be used for MongoDB's data"):
        mongod.start(tmp_path / "mongo")


def test_nothing_is_repaired_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="nothing to repair"):
        mongod.repair(tmp_path)
    assert not list(tmp_path.glob("data-damaged-*"))
