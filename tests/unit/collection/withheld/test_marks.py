"""Which documents say that they are not for readers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest

from twin.collection.withheld.marks import judge

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)

DRAFTS: list[dict[str, object]] = [
    {"draft": "true"},
    {"draft": True},
    {"Draft": "yes"},
    {"is_draft": 1},
    {"draft": "second version"},
    {"published": "false"},
    {"published": False},
    {"publish": "no"},
    {"dg-publish": "false"},
    {"isPublished": "0"},
    {"unlisted": "true"},
    {"status": "Draft"},
    {"status": "auto-draft"},
    {"status": "pending"},
    {"status": "scheduled"},
    {"date": "2024-06-02"},
    {"publishDate": "2024-06-01T12:00:01Z", "date": "2020-01-01"},
    {"expiryDate": "2024-06-01"},
    {"expiryDate": datetime(2024, 5, 1, tzinfo=UTC)},
]
PRIVATE: list[dict[str, object]] = [
    {"private": "true"},
    {"visibility": "private"},
    {"visibility": "Hidden"},
    {"status": "private"},
    {"status": "trash"},
    {"password": "secret"},
    {"protected": True},
]
FOR_READERS: list[dict[str, object]] = [
    {},
    {"draft": "false"},
    {"draft": "no"},
    {"draft": None},
    {"draft": ""},
    {"published": "true"},
    {"published": "2023-05-06"},
    {"private": "false"},
    {"public": True},
    {"visibility": "public"},
    {"visibility": "members"},
    {"status": "publish"},
    {"status": "evergreen"},
    {"password": ""},
    {"protected": False},
    {"date": "2024-06-01T12:00:00Z"},
    {"publishDate": "2020-01-01", "date": "2031-01-01"},
    {"expiryDate": "2024-06-01T12:00:01Z"},
    {"date": "some day", "expires": "never"},
    {"created": "2031-01-01"},
    {"tags": ["draft", "private"], "title": "draft: true"},
]


@pytest.mark.parametrize("said", DRAFTS)
def test_drafts_and_what_is_not_out_are_withheld_unless_they_are_wanted(said: dict[str, object]) -> None:
    assert judge(said, None, NOW, drafts=False).reason
    assert judge(said, None, NOW, drafts=True) == (None, None)


@pytest.mark.parametrize("said", PRIVATE)
def test_what_is_private_is_withheld_whatever_is_wanted(said: dict[str, object]) -> None:
    assert judge(said, None, NOW, drafts=False).reason
    assert judge(said, None, NOW, drafts=True).reason


@pytest.mark.parametrize("said", FOR_READERS)
def test_the_rest_is_for_readers(said: dict[str, object]) -> None:
    assert judge(said, None, NOW, drafts=False).reason is None


@pytest.mark.parametrize(
    ("path", "is_draft"),
    [
        ("_drafts/later.md", True),
        ("source/_drafts/2024/later.md", True),
        ("posts/draft_A-title-0a1b2c3d4e5f.html", True),
        ("_drafts", False),
        ("drafts/later.md", False),
        ("posts/draft_notes.md", False),
        ("posts/2024-01-02_A-title-0a1b2c3d4e5f.html", False),
    ],
)
def test_where_a_draft_lies(path: str, is_draft: bool) -> None:
    assert bool(judge({}, PurePosixPath(path), NOW, drafts=False).reason) == is_draft


def test_a_verdict_tells_until_when_it_holds() -> None:
    tomorrow = datetime(2024, 6, 2, tzinfo=UTC)
    assert judge({"publishDate": "2024-06-02"}, None, NOW, drafts=False).until == tomorrow
    assert judge({"expiryDate": "2024-06-02"}, None, NOW, drafts=False) == (None, tomorrow)
    assert judge({"date": "2024-01-01"}, None, NOW, drafts=False).until is None


def test_a_reason_names_the_mark_as_it_is_written_and_never_a_password() -> None:
    assert judge({"draft": True}, None, NOW, drafts=False).reason == "it is a draft (`draft: true`)"
    assert "hunter2" not in (judge({"password": "hunter2"}, None, NOW, drafts=False).reason or "")
