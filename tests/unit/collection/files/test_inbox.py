"""What comes through standard input is kept as a file."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin.collection.files import inbox
from twin.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("data", "ending"),
    [
        (b"# A note\n\nText.", ".md"),
        (b"[A link](https://example.org) opens it.", ".md"),
        (b"{not json}\n", ".md"),
        (b'\n{"id": 1}\n{"id": 2}\n', ".jsonl"),
        (b'\xef\xbb\xbf{"id": 1}', ".jsonl"),
        (b'[\n {"id": 1}\n]', ".json"),
    ],
)
def test_what_it_is_shows_in_its_name(tmp_path: Path, data: bytes, ending: str) -> None:
    location = inbox.spool([data], tmp_path / "inbox", max_bytes=1_000)
    kept = tmp_path / "inbox" / (inbox.name_in(location) or "")
    assert kept.suffix == ending
    assert kept.read_bytes() == data
    assert list((tmp_path / "inbox").iterdir()) == [kept]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=200).filter(bytes.strip), cuts=st.lists(st.integers(0, 200), max_size=4))
def test_the_same_input_is_the_same_file_however_it_comes(tmp_path: Path, data: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[start:end] for start, end in pairwise(places)]
    once, again = (inbox.spool(parts, tmp_path, max_bytes=1_000) for parts in ([data], chunks))
    assert once == again
    assert (tmp_path / (inbox.name_in(once) or "")).read_bytes() == data


@pytest.mark.parametrize(
    ("data", "title", "reason"),
    [
        (b"", None, "Nothing came"),
        (b" \n ", None, "Nothing came"),
        (b"x" * 2_000, None, "More than 1,000 bytes"),
        (b'{"id": 1}\n', "A title", "have a title each"),
        (b"---\ntitle: x\n---\n", "A title", "has its own"),
    ],
)
def test_what_cannot_be_kept_leaves_nothing(tmp_path: Path, data: bytes, title: str | None, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        inbox.spool([data], tmp_path, title=title, max_bytes=10)
    assert list(tmp_path.iterdir()) == []
