"""How a person is told what a question was taken to ask for."""

from __future__ import annotations

from llm_twin_dagster.cli.questions import readings
from twin.retrieval.result import Interpretation, Restriction


def test_each_restriction_says_where_it_was_read() -> None:
    told = readings(
        Interpretation(
            text="caching",
            restrictions=[
                Restriction(field="author", text="by Ada", means="Ada", applied=True),
                Restriction(field="published", text="", means="2023-01-01 to 2023-12-31", applied=False),
            ],
            notes=["The model did not answer."],
        )
    )
    assert told == [
        "author: Ada  (“by Ada”)",
        "published: 2023-01-01 to 2023-12-31 leaves nothing, so it is not applied  (as the model read the question)",
        "The model did not answer.",
    ]
