"""JSONL files: a document a line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin import collection
from twin.collection.collectors import jsonl
from twin.errors import InputError, SourceFailed
from twin.records import Document, Rejected, Withheld, document_id
from twin.settings import SourceSettings, read

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"id": "1", "url": "https://a.example.org/p", "author": "Ada", "title": "T", "content": "Text."}


def collect(
    tmp_path: Path, data: bytes, author: str | None = None, **changes: object
) -> list[Document | Rejected | Withheld]:
    path = tmp_path / "articles.jsonl"
    path.write_bytes(data)
    settings = read(SourceSettings).model_copy(update=changes)
    return list(collection.look(collection.detect(str(path), author), settings))


def lines(*records: Any) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def test_a_record_becomes_a_document(tmp_path: Path) -> None:
    record = GOOD | {"platform": "medium", "language": "en", "published_at": "2024-03-02T10:00:00+02:00"}
    [document] = collect(tmp_path, lines(record))
    assert isinstance(document, Document)
    assert document.id == document_id("https://a.example.org/p")
    assert (document.author, document.title, document.content) == ("Ada", "T", "Text.")
    assert (document.platform, document.language) == ("medium", "en")
    assert document.published_at == datetime(2024, 3, 2, 8, tzinfo=UTC)


def test_a_bad_line_is_rejected_with_its_number_and_the_rest_goes_on(tmp_path: Path) -> None:
    data = (
        lines(GOOD) + b"{broken\n\n" + b'"text"\n' + b"\xff\xfe{}\n" + lines(GOOD | {"url": "https://a.example.org/q"})
    )
    items = collect(tmp_path, data)
    assert [type(item) for item in items] == [Document, Rejected, Rejected, Rejected, Document]
    reasons = [item.reason for item in items if isinstance(item, Rejected)]
    assert [reason.split(":")[0] for reason in reasons] == ["line 2", "line 4", "line 5"]
    assert [item.url.rsplit("#", 1)[1] for item in items if isinstance(item, Rejected)] == ["L2", "L4", "L5"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"content": None}, "`content`"),
        ({"content": 3}, "`content`"),
        ({"url": None, "id": None}, "`url` or an `id`"),
        ({"url": "https://a:b@example.org/"}, "password"),
        ({"content": " "}, "no text"),
        ({"author": None}, "--author"),
    ],
)
def test_a_record_that_lacks_something_says_what(tmp_path: Path, change: dict, problem: str) -> None:
    [rejected] = collect(tmp_path, lines(GOOD | change))
    assert isinstance(rejected, Rejected)
    assert problem in rejected.reason
    assert "line 1" in rejected.reason


def test_content_may_be_a_mapping_of_parts(tmp_path: Path) -> None:
    record = {
        "link": "https://a.example.org/p",
        "author": "Ada",
        "content": {"Title": "On Engines", "Subtitle": "Notes", "Content": "Body.", "Appendix": "More.", "Count": 3},
    }
    [document] = collect(tmp_path, lines(record))
    assert isinstance(document, Document)
    assert document.title == "On Engines"
    assert document.content == "Notes\n\nBody.\n\n## Appendix\n\nMore."


def test_a_record_without_a_url_is_placed_in_its_file(tmp_path: Path) -> None:
    [document] = collect(tmp_path, lines(GOOD | {"url": None, "id": "x-7"}))
    assert document.url == f"{(tmp_path / 'articles.jsonl').as_uri()}#x-7"


def test_the_author_of_the_source_is_the_fallback_only(tmp_path: Path) -> None:
    other = GOOD | {"url": "https://a.example.org/q", "author": ""}
    documents = collect(tmp_path, lines(GOOD, other), author="Grace")
    assert [item.author for item in documents if isinstance(item, Document)] == ["Ada", "Grace"]


def test_a_line_that_is_too_long_is_refused_without_holding_it(tmp_path: Path) -> None:
    data = lines(GOOD | {"content": "x" * 5_000}) + lines(GOOD)
    items = collect(tmp_path, data, max_bytes=200)
    assert [type(item) for item in items] == [Rejected, Document]
    assert isinstance(items[0], Rejected)
    assert items[0].refused
    assert "too large" in items[0].reason


def test_a_byte_order_mark_and_a_missing_last_line_feed_do_no_harm(tmp_path: Path) -> None:
    [document] = collect(tmp_path, b"\xef\xbb\xbf" + lines(GOOD).rstrip())
    assert isinstance(document, Document)


def test_an_empty_file_fails_clearly(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="no documents"):
        collect(tmp_path, b"\n \n")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["id", "url", "author", "title", "subtitle", "content", "language", "kind", "published_at"])


@given(st.dictionaries(names, json_values))
def test_any_record_is_parsed_or_is_an_input_error(record: dict) -> None:
    try:
        draft = jsonl.parse(json.dumps(record), "file:///a.jsonl")
    except InputError:
        return
    assert isinstance(draft.content, str)
    assert draft.url
    assert draft.kind in ("article", "post", "repository")
    assert draft.published_at is None or draft.published_at.tzinfo is UTC


@given(st.binary(max_size=200))
def test_any_line_of_bytes_is_parsed_or_is_an_input_error(line: bytes) -> None:
    try:
        draft = jsonl.parse(line, "file:///a.jsonl")
    except InputError:
        return
    assert draft.url


@given(st.text(max_size=200).filter(lambda text: text.strip()))
def test_text_content_comes_through_unchanged(content: str) -> None:
    record = {"url": "https://example.org/", "content": content.encode("utf-8", "replace").decode()}
    assert jsonl.parse(json.dumps(record), "file:///a.jsonl").content == record["content"]
