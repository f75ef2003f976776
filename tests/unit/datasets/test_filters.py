"""What is kept of a model's reply, and which instructions are learned from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.datasets.filters import tidy, why_not

PASSAGE = (
    "Indexes make reads fast and writes slow. Before you add one, measure how often the table is read, and how often "
    "it is written, because every index is updated on every write."
)


@pytest.mark.parametrize(
    ("reply", "instruction"),
    [
        ("\n\n  Why do indexes slow writes?  \nAnd a second line.", "Why do indexes slow writes?"),
        ('"Why do indexes slow writes?"', "Why do indexes slow writes?"),
        ("Question: Why do indexes slow writes?", "Why do indexes slow writes?"),
        ("**Q1: Why do  indexes slow writes?** Because", "Why do indexes slow writes?"),
        ("1. “Explain why indexes slow writes.”", "Explain why indexes slow writes."),
        ("Why do indexes slow writes? Why not reads?", "Why do indexes slow writes?"),
        ("What a great question. That’s a very good point! What is an index?", "What is an index?"),
        ("What a great question. What a great question.", ""),
        ("What a great way is there to index?", "What a great way is there to index?"),
        ("", ""),
    ],
)
def test_a_reply_is_tidied_to_one_bare_line(reply: str, instruction: str) -> None:
    assert tidy(reply) == instruction


@given(st.text())
def test_tidying_gives_one_line_and_can_be_repeated(reply: str) -> None:
    assert len(tidy(reply).splitlines()) <= 1
    assert tidy(tidy(reply)) == tidy(reply)


@pytest.mark.parametrize(
    "instruction",
    [
        "Why do indexes slow down writes?",
        "When is an index worth it?",
        "What is an index?",
        "Explain what an index costs.",
        "Describe when to add an index",
    ],
)
def test_a_question_or_a_request_about_the_passage_is_good(instruction: str) -> None:
    assert why_not(instruction, PASSAGE) is None


@pytest.mark.parametrize(
    ("instruction", "reason"),
    [
        ("", "empty"),
        ("?!", "empty"),
        ("Why indexes?", "not 3 to 30 words"),
        ("Index?", "not 3 to 30 words"),
        ("Why do indexes " + "really " * 30 + "matter?", "not 3 to 30 words"),
        ("Indexes are very useful indeed.", "neither question nor request"),
        ("What does the passage say about indexes?", "about the text itself"),
        ("What is the main point of this short text about indexes?", "about the text itself"),
        ("Where should I go for a holiday?", "not about the passage"),
        ("Before you add one, measure how often the table is read, and how often?", "copied from the passage"),
        ("How should an index be chosen?", "repeats an example"),
    ],
)
def test_anything_else_is_rejected_with_its_reason(instruction: str, reason: str) -> None:
    assert why_not(instruction, PASSAGE, {"how should an index be chosen"}) == reason
