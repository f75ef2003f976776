"""Questions made to be slow or confusing cost little and break nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from twin.records import Passage
from twin.retrieval.ranking import ProximityReranker
from twin.retrieval.understanding import Known, understand

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LONGEST = 4_000
"""RAG_MAX_QUESTION_CHARS's default."""
KNOWN = Known(
    authors=(
        "Paul Iusztin",
        "(.*)+ [a-z]",
        "in 2023",
        "  ",
        "by",
        "𝔓𝔞𝔲𝔩 ß",
        *(f"First{n} Last{n}" for n in range(1000)),
    ),
    platforms=("medium.com", "..", "", "[x].y", "a"),
    kinds=("article", "repository"),
    published_from=datetime(2000, 1, 1, tzinfo=UTC),
    published_until=datetime(2026, 11, 1, tzinfo=UTC),
)
HOSTILE = [
    "in 2023 ",
    "between 2020 and ",
    "posts from 2023 to ",
    " ",
    "you wrote you wrote ",
    "2023-01-01",
    "Paul's ",
    "Paul and ",
    "last last last ",
    "did you write in 2023, ",
    "your repository on Medium ",
    "'’'’",
    "İ",
    "by by by by ",
    "\u202e\u0000\ud800",
    "9" * 50,
    "the last 999 years ",
]


@pytest.mark.quiet
@pytest.mark.parametrize("piece", HOSTILE)
def test_a_long_question_is_understood_in_a_moment(piece: str) -> None:
    question = (piece * LONGEST)[:LONGEST]
    started = time.perf_counter()
    understood = understand(question, KNOWN, now=NOW)
    assert understood.text
    assert time.perf_counter() - started < 1.0


def test_impossible_dates_are_no_dates() -> None:
    for question in (
        "posts from 2024-13-45",
        "posts from 31 February 2024",
        "posts in the last 999 years",
        "posts of 0000",
    ):
        understand(question, KNOWN, now=NOW)
    assert understand("your posts from 2024-13-45", KNOWN, now=NOW).mentions == ()
    assert understand("your posts from 30 February 2024", KNOWN, now=NOW).filters.published_from is None


def test_an_author_whose_name_is_a_pattern_is_just_a_name() -> None:
    understood = understand("What does (.*)+ [a-z] think of chunks?", KNOWN, now=NOW)
    assert set(understood.filters.authors) <= {"(.*)+ [a-z]"}


@pytest.mark.quiet
@pytest.mark.parametrize("piece", ["index ", "a", "\u0000", "字", "ab cd ", "'", "İß"])
def test_reranking_long_passages_for_a_long_question_takes_a_moment(piece: str) -> None:
    text = (piece * 4_000)[:4_000]
    passages = [
        Passage(
            chunk_id=str(number), document_id="d", text=text + str(number), heading_path=[text], title=text, url="u",
            author="a", score=0.0, similarity=0.1, bm25=1.0,
        )
        for number in range(12)
    ]  # fmt: skip
    started = time.perf_counter()
    ranked = ProximityReranker().rerank(text, passages)
    assert len(ranked) == 12
    assert time.perf_counter() - started < 2.0
