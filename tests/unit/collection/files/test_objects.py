"""JSON objects as documents, and the seed system's export."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin import collection
from twin.collection.files.objects import draft_of, parse_repr
from twin.errors import InputError, SourceFailed
from twin.records import Document, Rejected, Unchanged

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Looks

PARTS = {
    "Title": 'On "Engines"',
    "Subtitle": "It's a note",
    "Content": "Body with\nlines, 'quotes' and \\ in it.",
    "Likes": 3,
}


def record(number: int, content: object) -> dict:
    return {
        "id": f"{number}-0000", "content": content, "platform": "medium", "author_id": "9-1",
        "author_full_name": "Ada Lovelace", "link": f"https://ada.example.org/{number}",
    }  # fmt: skip


def test_the_seed_systems_export_is_read_with_content_as_a_mapping_or_its_repr(tmp_path: Path, looks: Looks) -> None:
    path = tmp_path / "articles.json"
    path.write_text(json.dumps([record(1, PARTS), record(2, repr(PARTS)), record(3, "Plain text.")], indent=1))
    assert collection.detect(str(path)).kind == "json"
    mapping, written, plain = (item for item in looks(path, None) if isinstance(item, Document))
    assert mapping.title == written.title == 'On "Engines"'
    assert mapping.content == written.content == "It's a note\n\nBody with\nlines, 'quotes' and \\ in it."
    assert (mapping.url, mapping.author, mapping.platform) == ("https://ada.example.org/1", "Ada Lovelace", "medium")
    assert plain.content == "Plain text."


def test_an_item_that_cannot_be_taken_is_told_by_its_number_and_the_rest_goes_on(tmp_path: Path, looks: Looks) -> None:
    path = tmp_path / "articles.json"
    path.write_text(json.dumps([record(1, None), 3, record(2, "Text."), record(3, "x" * 2_000), record(4, "Text.")]))
    items = looks(path, None, max_bytes=1_000)
    assert [type(item) for item in items] == [Rejected, Rejected, Document, Rejected, Document]
    assert [item.reason.split(":")[0] for item in items if isinstance(item, Rejected)] == ["item 1", "item 2", "item 4"]


def test_what_comes_before_broken_json_is_given(tmp_path: Path) -> None:
    from twin.settings import SourceSettings, read

    path = tmp_path / "articles.json"
    path.write_text(json.dumps([record(1, "Text."), record(2, "Text.")])[:-30])
    items = collection.look(collection.detect(str(path)), read(SourceSettings))
    assert isinstance(next(items), Document)
    with pytest.raises(SourceFailed, match="item 2 is not valid JSON"):
        next(items)


@pytest.mark.parametrize("data", ["[]", "[ \n]", "[" * 100_000, "[{}, nonsense]", '["\\ud800"]', "[1e999]"])
def test_an_odd_list_is_documents_or_a_clear_error(tmp_path: Path, looks: Looks, data: str) -> None:
    (tmp_path / "a.json").write_text(data)
    with contextlib.suppress(SourceFailed):
        items = looks(tmp_path / "a.json")
        assert all(isinstance(item, Rejected | Unchanged) for item in items)


def test_a_long_list_is_read_an_item_at_a_time(tmp_path: Path, looks: Looks) -> None:
    import tracemalloc

    from twin.settings import SourceSettings, read

    path = tmp_path / "a.json"
    with path.open("w") as file:
        file.write("[")
        for number in range(2_000):
            file.write(("," if number else "") + json.dumps(record(number, "words " * 2_500)))
        file.write("]")
    tracemalloc.start()
    count = sum(1 for _ in collection.look(collection.detect(str(path)), read(SourceSettings)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 2_000
    assert peak < 8_000_000 < path.stat().st_size


@given(
    st.dictionaries(st.text(max_size=20), st.text(max_size=50) | st.integers() | st.none() | st.booleans(), max_size=6)
)
def test_the_repr_of_a_flat_mapping_gives_its_texts_back(mapping: dict) -> None:
    texts = {name: value for name, value in mapping.items() if isinstance(value, str)}
    assert (parse_repr(repr(mapping)) or {}) == texts


@given(st.text(alphabet="{}[]'\"\\:, ab\nNone0_(", max_size=60).map(lambda text: f"{{{text}}}"))
def test_what_only_looks_like_a_repr_is_text(text: str) -> None:
    parsed = parse_repr(text)
    assert parsed is None or all(isinstance(value, str) for value in parsed.values())
    assert draft_of({"id": 1, "content": text}, "file:///a").content or parsed is not None


@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000 + "}" * 100_000,
        "{'a': " + "[" * 100_000 + "]" * 100_000 + "}",
        "{'a': __import__('os').system('true')}",
        "{'a': 9**9**9}",
        "{" + "'a': 1, " * 100_000 + "}",
        "{'a': '" + "\\" * 100_001 + "'}",
        "{" + " " * 1_000_000 + "}",
        "{'" + "a" * 1_000_000 + "}",
    ],
)
def test_a_hostile_repr_is_text_and_soon_told(text: str) -> None:
    start = time.process_time()
    assert not parse_repr(text)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("value", [None, 3, "text", [], True])
def test_what_is_no_object_is_an_input_error(value: object) -> None:
    with pytest.raises(InputError, match="not a JSON object"):
        draft_of(value, "file:///a")


def test_a_location_that_is_not_unicode_is_refused_and_the_rest_is_taken(tmp_path: Path, looks: Looks) -> None:
    path = tmp_path / "articles.json"
    path.write_text(json.dumps([{"id": "\ud800", "content": "Words."}, {"id": "2", "content": "Other words."}]))
    refused, taken = looks(collection.detect(str(path), "Ada"))
    assert isinstance(refused, Rejected)
    assert "not valid Unicode" in refused.reason
    assert isinstance(taken, Document)
