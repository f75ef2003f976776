"""The warehouse on a real mongod."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest
from pymongo import MongoClient

from twin.errors import PublishConflict, SettingsError, SourceFailed, UnknownName, WarehouseUnavailable
from twin.records import CleanedDocument, Document, Interaction, Passage, Rejected, Source, document_id
from twin.warehouse import AsyncInteractions, Feedback, Warehouse, mongod
from twin.warehouse.copies import Link
from twin.warehouse.feedback import feedback_id
from twin.warehouse.report import STATES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
SOURCE = Source(kind="folder", location="/notes", author="Ada")
NOTHING = dict.fromkeys(STATES, 0)
OTHER = Source(kind="folder", location="/letters", author="Bea")


def a_document(name: str, content: str = "Some words.", source: Source = SOURCE, **fields: Any) -> Document:
    url = f"{source.location}/{name}"
    values: dict[str, Any] = {"author": source.author, "title": name, **fields}
    return Document(id=document_id(url), url=url, source_id=source.id, content=content, **values)


def a_cleaned(document: Document, **fields: Any) -> CleanedDocument:
    return CleanedDocument(**msgspec.structs.asdict(document), raw_hash=document.hash, **fields)


def an_interaction(number: int, **fields: Any) -> Interaction:
    values: dict[str, Any] = {"question": "Why?", "author": "Ada", "answer": "Because.", "status": "answered", **fields}
    created = datetime(2026, 1, 1, 0, number, tzinfo=UTC)
    return Interaction(id=f"i{number}", trace_id=f"t{number}", created_at=created, **values)


@pytest.fixture
def warehouse(mongo_uri: str, mongo_database: str) -> Iterator[Warehouse]:
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        yield warehouse


def rows(warehouse: Warehouse, collection: str) -> list[dict]:
    return list(warehouse._connection.database[collection].find())


def lock_of(warehouse: Warehouse) -> dict:
    (lock,) = rows(warehouse, "locks")
    return lock


def test_documents_come_back_as_they_went_in(warehouse: Warehouse) -> None:
    moment = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=timezone(timedelta(hours=2)))
    document = a_document("a.md", published_at=moment, language="en", platform="example.org", kind="post")
    warehouse.documents.observe(SOURCE, [document], complete=True)
    (stored,) = warehouse.documents.read()
    assert stored == msgspec.structs.replace(document, published_at=datetime(2024, 5, 6, 5, 8, 9, 123000, tzinfo=UTC))
    assert warehouse.documents.fingerprints() == {document.id: stored.hash}, "hashes agree before and after storing"
    assert warehouse.documents.observe(SOURCE, [document], complete=True).counts["unchanged"] == 1


def test_every_fate_of_a_document_is_counted_and_recorded(warehouse: Warehouse) -> None:
    names = ["kept", "edited", "dropped", "moved"]
    first = warehouse.documents.observe(SOURCE, [a_document(name) for name in names], complete=True)
    assert first.counts == {**NOTHING, "added": 4}
    second = warehouse.documents.observe(
        SOURCE,
        [
            a_document("kept"),
            a_document("edited", "Other words."),
            a_document("fresh"),
            Rejected(url="/notes/huge", reason="too large", refused=True),
            Rejected(url="/notes/moved", reason="timed out", refused=False),
        ],
        complete=True,
    )
    assert second.counts == {**dict.fromkeys(STATES, 1), "withheld": 0}
    live = {document.title: document.revision for document in warehouse.documents.read()}
    assert live == {"kept": 1, "edited": 2, "fresh": 1, "moved": 1}, "what could not be fetched keeps its last form"
    (archived,) = rows(warehouse, "revisions")
    assert (archived["document_id"], archived["revision"]) == (a_document("edited").id, 1)
    assert archived["content"] == "Some words."
    states = {row["url"].removeprefix("/notes/"): (row["state"], row["reason"]) for row in rows(warehouse, "outcomes")}
    assert states == {
        "kept": ("added", None),
        "edited": ("changed", None),
        "dropped": ("removed", None),
        "moved": ("failed", "timed out"),
        "fresh": ("added", None),
        "huge": ("refused", "too large"),
    }
    assert {(outcome.url, outcome.state) for outcome in second.outcomes} == {
        ("/notes/edited", "changed"),
        ("/notes/fresh", "added"),
        ("/notes/dropped", "removed"),
        ("/notes/huge", "refused"),
        ("/notes/moved", "failed"),
    }


def test_a_document_that_reappears_goes_on_with_its_revisions(warehouse: Warehouse) -> None:
    others = [a_document(str(number)) for number in range(3)]
    warehouse.documents.observe(SOURCE, [*others, a_document("a")], complete=True)
    warehouse.documents.observe(SOURCE, others, complete=True)
    same = warehouse.documents.observe(SOURCE, [*others, a_document("a")], complete=True)
    assert same.counts["added"] == 1
    assert [document.revision for document in warehouse.documents.read([a_document("a").id])] == [1]
    warehouse.documents.observe(SOURCE, others, complete=True)
    changed = warehouse.documents.observe(SOURCE, [*others, a_document("a", "New words.")], complete=True)
    assert changed.counts["added"] == 1
    assert [document.revision for document in warehouse.documents.read([a_document("a").id])] == [2]


def test_a_failed_outcome_is_taken_back_when_the_document_is_seen_again(warehouse: Warehouse) -> None:
    warehouse.documents.observe(SOURCE, [a_document("a")], complete=True)
    warehouse.documents.observe(SOURCE, [Rejected(url="/notes/a", reason="timed out", refused=False)], complete=True)
    warehouse.documents.observe(SOURCE, [a_document("a")], complete=True)
    assert [(row["state"], row["reason"]) for row in rows(warehouse, "outcomes")] == [("unchanged", None)]


def test_many_documents_vanish_only_when_it_is_confirmed(warehouse: Warehouse) -> None:
    warehouse.documents.observe(SOURCE, [a_document(str(number)) for number in range(4)], complete=True)
    warehouse.documents.observe(OTHER, [a_document("letter", source=OTHER)], complete=True)
    doubted = warehouse.documents.observe(SOURCE, [a_document("0")], complete=True)
    assert doubted.counts["removed"] == 0
    assert "3 of 4 documents have vanished" in doubted.warnings[0]
    confirmed = warehouse.documents.observe(SOURCE, [a_document("0")], complete=True, confirm_vanished=True)
    assert (confirmed.counts["removed"], confirmed.warnings) == (3, [])
    assert {document.title for document in warehouse.documents.read()} == {"0", "letter"}


def test_an_incomplete_look_removes_nothing(warehouse: Warehouse) -> None:
    warehouse.documents.observe(SOURCE, [a_document("a"), a_document("b"), a_document("c")], complete=True)
    report = warehouse.documents.observe(SOURCE, [a_document("a"), a_document("b")], complete=False)
    assert (report.counts["removed"], report.warnings, len(warehouse.documents.fingerprints())) == (0, [], 3)


def test_a_source_that_fails_on_the_way_is_recorded_and_removes_nothing(warehouse: Warehouse) -> None:
    warehouse.documents.observe(SOURCE, [a_document("a"), a_document("b"), a_document("c")], complete=True)

    def breaking() -> Iterator[Document]:
        yield a_document("a", "Edited.")
        yield a_document("new")
        raise SourceFailed("The disk went away.")

    report = warehouse.documents.observe(SOURCE, breaking(), complete=True)
    assert report.counts == {**NOTHING, "added": 1, "changed": 1, "failed": 1}
    assert [(outcome.url, outcome.reason) for outcome in report.outcomes if outcome.state == "failed"] == [
        ("/notes", "The disk went away.")
    ]
    assert "2 documents were not seen, and kept" in report.warnings[0]


def test_what_mongodb_cannot_hold_is_refused_and_the_rest_goes_on(warehouse: Warehouse) -> None:
    report = warehouse.documents.observe(
        SOURCE,
        [
            a_document("ok"),
            a_document("broken", "\ud800"),
            a_document("vast", "x" * 15_000_001),
            a_document("ok", "Twice."),
        ],
        complete=True,
    )
    assert report.counts == {**NOTHING, "added": 1, "refused": 3}
    assert [document.content for document in warehouse.documents.read()] == ["Some words."]
    reasons = " ".join(outcome.reason or "" for outcome in report.outcomes)
    assert "not valid Unicode" in reasons
    assert "15,000,008 bytes" in reasons
    assert "twice" in reasons


def test_reports_add_up(warehouse: Warehouse) -> None:
    first = warehouse.documents.observe(SOURCE, [a_document("a"), a_document("b")], complete=True)
    second = warehouse.documents.observe(OTHER, [a_document("c", source=OTHER)], complete=True)
    both = first + second
    assert both.counts["added"] == 3
    assert {outcome.url for outcome in both.outcomes} == {"/notes/a", "/notes/b", "/letters/c"}


def test_data_versions_depend_on_content_and_not_on_history(mongo_uri: str, mongo_database: str) -> None:
    documents = [a_document(str(number)) for number in range(5)]
    with Warehouse(mongo_uri, mongo_database) as one:
        assert one.documents.data_version() == one.cleaned.data_version()
        one.documents.observe(SOURCE, documents, complete=True)
        version = one.documents.data_version()
        one.documents.observe(SOURCE, [*documents[1:], a_document("0", "Edited.")], complete=True)
        assert one.documents.data_version() != version
        one.documents.observe(SOURCE, documents[::-1], complete=True)
        assert one.documents.data_version() == version
        assert one.cleaned.data_version() != version


def test_cleaned_documents_are_replaced_removed_and_canonical_unless_asked_for(warehouse: Warehouse) -> None:
    original, copy, edited = (a_document(name) for name in ("original", "copy", "edited"))
    cleaned = [
        a_cleaned(original, redactions={"EMAIL": 2}),
        a_cleaned(copy, duplicate_of=original.id),
        a_cleaned(edited),
    ]
    for _ in range(2):
        warehouse.cleaned.write((document, f"from {document.title}") for document in cleaned)
    assert warehouse.cleaned.inputs() == {document.id: f"from {document.title}" for document in cleaned}
    assert warehouse.cleaned.fingerprints() == {original.id: cleaned[0].hash, edited.id: cleaned[2].hash}
    assert sorted(document.title for document in warehouse.cleaned.read()) == ["edited", "original"]
    assert list(warehouse.cleaned.read([copy.id])) == [cleaned[1]]
    assert list(warehouse.cleaned.read([])) == []
    warehouse.cleaned.remove([original.id, "unknown"])
    assert set(warehouse.cleaned.inputs()) == {copy.id, edited.id}


def test_copies_are_linked_and_unlinked(warehouse: Warehouse) -> None:
    original, copy, other = (a_document(name) for name in ("original", "copy", "other"))
    documents = [a_cleaned(document, text_hash=f"text of {document.title}") for document in (original, copy, other)]
    warehouse.cleaned.write((document, "input") for document in documents)
    before = warehouse.cleaned.data_version()
    ids = [document.id for document in sorted(documents, key=lambda one: one.url)]
    assert [sketch.id for sketch in warehouse.copies.unlinked(9)] == ids
    warehouse.copies.link([Link(original.id, None, None), Link(copy.id, original.id, 1.0), Link(other.id, None, None)])
    assert warehouse.copies.unlinked(9) == []
    assert set(warehouse.cleaned.fingerprints()) == {original.id, other.id}
    assert [document.duplicate_of for document in warehouse.cleaned.read([copy.id])] == [original.id]
    assert warehouse.copies.counts() == (1, 0)
    assert warehouse.copies.groups(5) == [(original.url, [(copy.url, 1.0)])]
    warehouse.copies.unlink_copies_of([original.id])
    assert [sketch.id for sketch in warehouse.copies.unlinked(9)] == [copy.id]
    warehouse.copies.link([Link(copy.id, None, None)])
    assert warehouse.copies.counts() == (0, 0)
    assert warehouse.cleaned.data_version() == before


def test_fingerprints_are_answered_without_reading_a_document(warehouse: Warehouse) -> None:
    documents = [a_document(str(number)) for number in range(20)]
    warehouse.documents.observe(SOURCE, documents, complete=True)
    warehouse.cleaned.write((a_cleaned(document, text_hash="t"), "input") for document in documents)
    database = warehouse._connection.database
    database.command({"profile": 2})
    for ask in (
        warehouse.documents.fingerprints,
        warehouse.cleaned.fingerprints,
        warehouse.cleaned.inputs,
    ):
        assert len(ask()) == 20
    database.command({"profile": 0})
    queries = list(database["system.profile"].find({"op": "query"}))
    assert [(query["nreturned"], query["docsExamined"]) for query in queries] == [(20, 0)] * 3


def test_sources_are_remembered_and_forgotten_with_their_documents(warehouse: Warehouse) -> None:
    warehouse.sources.add([SOURCE])
    warehouse.sources.add([SOURCE])
    warehouse.sources.add([OTHER])
    assert warehouse.sources.all() == [OTHER, SOURCE]
    warehouse.documents.observe(SOURCE, [a_document("a")], complete=True)
    assert warehouse.sources.remove(SOURCE.id) == 1
    assert (warehouse.sources.all(), warehouse.documents.fingerprints()) == ([OTHER], {})
    with pytest.raises(UnknownName, match="sources list"):
        warehouse.sources.remove(SOURCE.id)


def test_interactions_are_kept_whole_in_the_order_of_time(warehouse: Warehouse) -> None:
    passage = Passage(
        chunk_id="c", document_id="d", text="x", heading_path=["H"], title="t", url="u", author="Ada", score=0.5
    )
    first, second = an_interaction(1, passages=[passage], usage={"prompt_tokens": 3}), an_interaction(2)
    for interaction in (second, first, first):
        warehouse.interactions.record(interaction)
    assert list(warehouse.interactions.read()) == [first, second]
    assert list(warehouse.interactions.read(since=second.created_at)) == [second]


async def exchange(uri: str, database: str) -> None:
    interactions = AsyncInteractions(uri, database)
    try:
        await interactions.ping()
        assert await interactions.get("i1") is None
        await interactions.record(an_interaction(1))
        assert await interactions.get("i1") == an_interaction(1)
    finally:
        await interactions.close()


def test_an_asynchronous_program_records_and_finds_interactions(
    warehouse: Warehouse, mongo_uri: str, mongo_database: str
) -> None:
    warehouse.documents.observe(SOURCE, [a_document("a")], complete=True)
    asyncio.run(exchange(mongo_uri, mongo_database))
    assert list(warehouse.interactions.read()) == [an_interaction(1)]


async def say(uri: str, database: str, *said: Feedback) -> list[Feedback]:
    interactions = AsyncInteractions(uri, database)
    try:
        assert await interactions.find("nobody") is None
        assert await interactions.find(an_interaction(1).trace_id) == an_interaction(1)
        return [await interactions.rate(each) for each in said]
    finally:
        await interactions.close()


def test_the_last_word_of_a_reader_counts_and_goes_with_the_interaction(
    warehouse: Warehouse, mongo_uri: str, mongo_database: str
) -> None:
    for number in (1, 2):
        warehouse.interactions.record(an_interaction(number))
    first = Feedback(id=feedback_id("i1", "r"), interaction_id="i1", reader="r", score=1.0, at=MOMENT)
    again = msgspec.structs.replace(first, at=MOMENT + timedelta(days=1))
    other = msgspec.structs.replace(again, correction="Better.", at=again.at + timedelta(days=1))
    gone = Feedback(id=feedback_id("i9", "r"), interaction_id="i9", reader="r", score=0.0, at=MOMENT)
    kept = asyncio.run(say(mongo_uri, mongo_database, first, again, other, gone))
    assert kept == [first, first, other, gone]
    assert list(warehouse.ratings.rated()) == [(an_interaction(1), [other])]
    assert warehouse.interactions.remove(["i1", "i9"]) == 1
    assert list(warehouse.ratings.read()) == []
    assert list(warehouse.interactions.read()) == [an_interaction(2)]


def test_one_publisher_at_a_time(warehouse: Warehouse) -> None:
    refused = pytest.raises(PublishConflict, match=r"the daemon is publishing.*until \d\d:\d\d:\d\d UTC")
    with warehouse.publish_lock("the daemon"), refused:
        warehouse.publish_lock("the CLI").__enter__()
    with warehouse.publish_lock("the CLI") as lease:
        assert lease.owner == "the CLI"


def test_a_publisher_that_waits_gets_the_lock_when_it_is_free(warehouse: Warehouse) -> None:
    with warehouse.publish_lock("the daemon"), pytest.raises(PublishConflict):
        warehouse.publish_lock("impatient", wait_seconds=0.01).__enter__()
    dead = {"owner": "dead", "token": "x", "expires_at": {"$add": ["$$NOW", 200]}}
    warehouse._connection.database["locks"].update_one({"_id": "publish"}, [{"$set": dead}], upsert=True)
    with warehouse.publish_lock("patient", wait_seconds=20) as lease:
        assert lease.owner == "patient"


def test_a_lease_is_renewed_while_its_holder_lives_and_runs_out_when_it_died(warehouse: Warehouse) -> None:
    with warehouse.publish_lock("slow", lease_seconds=0.6):
        before = lock_of(warehouse)
        deadline = time.monotonic() + 10
        while lock_of(warehouse)["expires_at"] == before["expires_at"]:
            assert time.monotonic() < deadline, "the lease was never renewed"
            threading.Event().wait(0.02)
    dead = {"owner": "dead", "token": "x", "expires_at": "$$NOW"}
    warehouse._connection.database["locks"].update_one({"_id": "publish"}, [{"$set": dead}], upsert=True)
    with warehouse.publish_lock("next") as lease:
        assert lease.owner == "next"


def test_who_collects_keeps_nobody_from_publishing(warehouse: Warehouse) -> None:
    with warehouse.collect_lock("a long crawl"), warehouse.publish_lock("training"):
        refused = pytest.raises(PublishConflict, match="a long crawl is collecting")
        with refused:
            warehouse.collect_lock("another crawl").__enter__()


def publish_while_the_lock_is_taken_away(warehouse: Warehouse) -> None:
    with warehouse.publish_lock("a", lease_seconds=0.3) as lease:
        warehouse._connection.database["locks"].update_one({}, {"$set": {"token": "stolen"}})
        assert lease.lost.wait(10)


def fail_while_the_lock_is_taken_away(warehouse: Warehouse) -> None:
    with warehouse.publish_lock("a"):
        warehouse._connection.database["locks"].delete_many({})
        raise ZeroDivisionError


def test_losing_the_lease_is_told_at_the_end_and_does_not_hide_an_error(warehouse: Warehouse) -> None:
    with pytest.raises(PublishConflict, match="lost the publishing lock"):
        publish_while_the_lock_is_taken_away(warehouse)
    warehouse._connection.database["locks"].delete_many({})
    with pytest.raises(ZeroDivisionError):
        fail_while_the_lock_is_taken_away(warehouse)


def test_a_server_that_is_not_there_is_a_clear_error_without_credentials() -> None:
    warehouse = Warehouse("mongodb://me:s3cret@127.0.0.1:1/?directConnection=true", "x", timeout_seconds=0.2)
    for attempt in (
        warehouse.ping,
        warehouse.documents.fingerprints,
        warehouse.sources.all,
        lambda: list(warehouse.documents.read()),
    ):
        with pytest.raises(WarehouseUnavailable) as caught:
            attempt()
        assert "MongoDB at 127.0.0.1:1 does not answer" in str(caught.value)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(SettingsError, match="MONGODB_URI"):
        Warehouse("mongo://127.0.0.1", "x").ping()


def test_mongod_killed_in_the_middle_leaves_nothing_half_written_and_a_rerun_completes(tmp_path: Path) -> None:
    before = [a_document(str(number), "old words " * 300) for number in range(1_000)]
    after = [a_document(str(number), "new words " * 300) for number in range(1_200)]
    running = mongod.start(tmp_path)
    with running, Warehouse(running.uri, "t", timeout_seconds=1) as warehouse:
        warehouse.documents.observe(SOURCE, before, complete=True)

        def killing() -> Iterator[Document]:
            yield from after[:650]
            for process in psutil.Process(running.child.pid).children():
                process.kill()
            yield from after[650:]

        with pytest.raises(WarehouseUnavailable, match="same command again"):
            warehouse.documents.observe(SOURCE, killing(), complete=True)

    with mongod.start(tmp_path) as running, Warehouse(running.uri, "t") as warehouse:
        revisions = {document.id: document.revision for document in warehouse.documents.read()}
        assert len(revisions) == 1_000
        changed = {identity for identity, revision in revisions.items() if revision == 2}
        assert 600 <= len(changed) < 1_000
        assert all(document.hash == warehouse_hash for document, warehouse_hash in hashes(warehouse))
        assert changed <= {row["document_id"] for row in rows(warehouse, "revisions")}, "no old text was lost"

        report = warehouse.documents.observe(SOURCE, after, complete=True)
        assert report.counts["added"] == 200
        assert report.counts["changed"] == 1_000 - len(changed)
        assert {document.revision for document in warehouse.documents.read()} == {1, 2}
        with MongoClient(running.uri) as client:
            archived = [row["_id"] for row in client["t"]["revisions"].find({}, {"_id": 1})]
        assert sorted(archived) == sorted(f"{document.id}/1" for document in before)
        assert warehouse.documents.observe(SOURCE, after, complete=True).counts["unchanged"] == 1_200


def hashes(warehouse: Warehouse) -> Iterator[tuple[Document, str]]:
    """Every live document beside the hash that was stored with it."""
    stored = warehouse.documents.fingerprints()
    return zip(
        warehouse.documents.read(), itertools.starmap(lambda _, value: value, sorted(stored.items())), strict=True
    )
