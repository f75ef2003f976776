"""Names are told by their spelling, in English questions only."""

from __future__ import annotations

import pytest

from twin.text.names import names_in


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("How do I connect the twin to Slack?", ["Slack"]),
        ("What is the maximum of GPT-4o?", ["GPT-4o"]),
        ("When will version 2.0 be out?", ["2.0"]),
        ("How do I run it on a laptop?", []),
        ("Slack?", []),
        ("Wie setze ich ein Zeitlimit für eine Anfrage?", []),
        ("On Monday I met Ada in Paris. We talked. How is the index built?", []),
        ("I like Paris. Is the index built in Rome?", ["Rome"]),
        ("What did I say?", []),
    ],
)
def test_names_of_a_question(question: str, names: list[str]) -> None:
    assert names_in(question) == names


def test_a_letter_without_a_question_names_nobody() -> None:
    assert names_in("What I wanted to tell you about Berlin " + "and so on " * 20) == []
