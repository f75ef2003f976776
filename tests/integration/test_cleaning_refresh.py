"""Cleaning what a real warehouse holds: only what changed, one article of two platforms once, and after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin import cleaning, collection
from twin.cleaning import refresh
from twin.records import Document, Source, document_id
from twin.settings import SourceSettings, read
from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Source(kind="folder", location="/documents")
FROZEN = Path(__file__).parents[1] / "corpus"
SHARED = Path(__file__).parents[3] / "shared" / "corpora" / "llm-engineers-handbook" / "articles.jsonl"
SUBSTACK = """SubscribeSign in

Share this post

#### {title}

letters.substack.com

Copy link

Facebook

Email

# {title}

Ada Lovelace

Nov 20, 2026

12

Share this post

Copy link

{text}

Thanks for reading Ada's Letters! Subscribe for free to receive new posts and support my work.

#### Discussion about this post

Comments

Restacks
"""
MEDIUM = """Open in app

Sign up

Sign in

# {title}

Ada Lovelace

·

Follow

5 min read

Listen

Share

![](https://miro.medium.com/v2/resize:fit:1400/1*a8d7.png)

{text}

This article was originally published in my newsletter, where you can read the next one a week earlier.
"""


@pytest.fixture
def warehouse(mongo_uri: str, mongo_database: str) -> Iterator[Warehouse]:
    with Warehouse(mongo_uri, mongo_database) as opened:
        yield opened


def a_document(url: str, content: str, day: int | None = None) -> Document:
    return Document(
        id=document_id(url),
        url=url,
        source_id=SOURCE.id,
        author="Ada Lovelace",
        title="On Engines",
        content=content,
        published_at=datetime(2026, 11, day, tzinfo=UTC) if day else None,
    )


def test_only_what_changed_is_cleaned(warehouse: Warehouse) -> None:
    documents = [a_document(f"https://a.example.org/{number}", f"Text {number}.") for number in range(250)]
    warehouse.documents.observe(SOURCE, documents, complete=True)
    first = refresh.refresh(warehouse)
    assert (first.cleaned, first.unchanged, first.removed) == (250, 0, 0)
    again = refresh.refresh(warehouse)
    assert (again.cleaned, again.unchanged, again.removed, again.compared) == (0, 250, 0, 0)
    edited = a_document("https://a.example.org/7", "Another text, by ada@lovelace.org.")
    warehouse.documents.observe(SOURCE, [*documents[:7], edited, *documents[9:]], complete=True)
    third = refresh.refresh(warehouse)
    assert (third.cleaned, third.unchanged, third.removed, third.compared) == (1, 248, 1, 1)
    assert third.redactions == warehouse.cleaned.redaction_counts() == {"EMAIL": 1}


def test_a_document_that_breaks_the_cleaner_is_left_out_alone_and_tried_again(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [a_document(f"https://a.example.org/{number}", f"Text {number}.") for number in range(3)]
    warehouse.documents.observe(SOURCE, documents, complete=True)
    assert refresh.refresh(warehouse).left_out == ()
    edited = a_document("https://a.example.org/1", "Text 1, by ada@lovelace.org.")
    warehouse.documents.observe(SOURCE, [documents[0], edited, documents[2]], complete=True)
    warehouse.cleaned.remove([documents[2].id])

    def break_on_the_second(text: str) -> str | None:
        if "Text 1" in text:
            raise RecursionError(text)
        return "en"

    with monkeypatch.context() as broken:
        broken.setattr(cleaning, "detect_language", break_on_the_second)
        for cleaned, unchanged in ((1, 1), (0, 2)):
            report = refresh.refresh(warehouse)
            assert (report.cleaned, report.unchanged) == (cleaned, unchanged)
            assert [(each.url, each.reason) for each in report.left_out] == [
                (edited.url, "RecursionError while it was cleaned; the log has more")
            ]
            assert warehouse.cleaned.inputs().keys() == {documents[0].id, documents[2].id}
    report = refresh.refresh(warehouse)
    assert (report.cleaned, report.left_out) == (1, ())


@pytest.mark.parametrize("name", ["chunking.md", "warehouse.md"])
def test_an_article_on_two_platforms_trains_once(warehouse: Warehouse, name: str) -> None:
    text = (FROZEN / name).read_text("utf-8").split("---\n", 2)[2]
    title, _, body = text.strip().removeprefix("# ").partition("\n")
    on_substack = a_document("https://letters.substack.com/p/1", SUBSTACK.format(title=title, text=body), 20)
    on_medium = a_document("https://medium.com/@ada/1", MEDIUM.format(title=title, text=body), 22)
    warehouse.documents.observe(SOURCE, [on_medium, on_substack], complete=True)
    report = refresh.refresh(warehouse)
    assert (report.duplicates, report.near_duplicates) == (1, 1)
    assert [document.url for document in warehouse.cleaned.read()] == [on_substack.url]
    warehouse.documents.observe(SOURCE, [on_medium], complete=True, confirm_vanished=True)
    assert refresh.refresh(warehouse).duplicates == 0
    assert [document.url for document in warehouse.cleaned.read()] == [on_medium.url]


@pytest.mark.skipif(not SHARED.exists(), reason="the shared corpora are not on this machine")
def test_of_real_articles_only_the_one_that_was_posted_twice_is_a_copy(warehouse: Warehouse) -> None:
    source = collection.detect(str(SHARED))
    warehouse.documents.observe(source, collection.look(source, read(SourceSettings)), complete=True)
    report = refresh.refresh(warehouse)
    assert (report.cleaned, report.duplicates) == (76, 1)
    [(original, [(copy, _)])] = warehouse.copies.groups(9)
    assert "a-real-time-retrieval-system-for" in original
    assert "a-real-time-retrieval-system-for" in copy


KILLED = """
import os, signal, sys
from twin.cleaning import refresh
from twin.warehouse import Warehouse

warehouse = Warehouse(sys.argv[1], sys.argv[2])
write, link = warehouse.cleaned.write, warehouse.copies.link
writes = 0

def write_until_killed(documents):
    global writes
    write(documents)
    writes += 1
    if writes == 2 and sys.argv[3] == "cleaning":
        os.kill(os.getpid(), signal.SIGKILL)

def link_until_killed(links):
    link(links)
    if sys.argv[3] == "linking":
        os.kill(os.getpid(), signal.SIGKILL)

warehouse.cleaned.write, warehouse.copies.link = write_until_killed, link_until_killed
refresh.refresh(warehouse)
"""


def links_of(warehouse: Warehouse) -> dict[str, str | None]:
    """What each cleaned document is a copy of."""
    return {one.id: one.duplicate_of for one in warehouse.cleaned.read(list(warehouse.cleaned.inputs()))}


@pytest.mark.parametrize(("moment", "left"), [("cleaning", 150), ("linking", 0)])
def test_a_refresh_that_is_killed_is_completed_by_the_next(
    warehouse: Warehouse, mongo_uri: str, mongo_database: str, moment: str, left: int
) -> None:
    words = [f"word{number}" for number in range(200)]
    texts = [" ".join(words[number % 40 : number % 40 + 90]) for number in range(350)]
    warehouse.documents.observe(
        SOURCE, [a_document(f"https://a.example.org/{n:03}", text) for n, text in enumerate(texts)], complete=True
    )
    command = [sys.executable, "-c", KILLED, mongo_uri, mongo_database, moment]
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    report = refresh.refresh(warehouse)
    assert report.cleaned == left
    held = links_of(warehouse)
    warehouse.cleaned.remove(list(held))
    refresh.refresh(warehouse)
    assert held == links_of(warehouse)
    assert 0 < report.duplicates < 350


keys = st.dictionaries(st.text("abc", max_size=3), st.sampled_from("xyz"), max_size=12)


@given(keys, keys)
def test_two_streams_are_compared_as_two_dictionaries_would_be(wanted: dict[str, str], held: dict[str, str]) -> None:
    found = list(refresh.differences(iter(sorted(wanted.items())), iter(sorted(held.items()))))
    assert {one.id for one in found if one.kind == "gone"} == held.keys() - wanted.keys()
    assert {one.id for one in found if one.kind == "same"} == {key for key in wanted if held.get(key) == wanted[key]}
    assert {one.id: one.source for one in found if one.kind != "gone"} == wanted
    assert len(found) == len(wanted.keys() | held.keys())


def test_what_is_left_in_a_cleaned_document_is_told_by_kind(warehouse: Warehouse) -> None:
    clean = cleaning.clean(a_document("https://a.example.org/1", "Text."))
    leaky = msgspec.structs.replace(clean, id="2", url="https://a.example.org/2", content="Write to ada@lovelace.org.")
    warehouse.cleaned.write([(clean, "input"), (leaky, "input")])
    for _ in range(2):
        assert list(refresh.leaks(warehouse)) == [("https://a.example.org/2", ["EMAIL"])]
    assert [[one.id for one in page] for page in warehouse.cleaned.uninspected()] == [["2"]]
    warehouse.cleaned.write([(msgspec.structs.replace(leaky, content="Write to nobody."), "input")])
    assert list(refresh.leaks(warehouse)) == []
    assert list(warehouse.cleaned.uninspected()) == []


def test_documents_that_lack_something_are_told(warehouse: Warehouse) -> None:
    whole = cleaning.clean(a_document("https://a.example.org/1", "Text."))
    empty = msgspec.structs.replace(whole, id="2", url="https://a.example.org/2", content=" ")
    nameless = msgspec.structs.replace(whole, id="3", url="https://a.example.org/3", author="")
    warehouse.cleaned.write([(whole, "input"), (empty, "input"), (nameless, "input")])
    assert warehouse.cleaned.incomplete(9) == [empty.url, nameless.url]
    assert warehouse.cleaned.incomplete(1) == [empty.url]
