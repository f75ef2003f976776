"""Asking the guards about texts."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from llm_twin_dagster.cli.output import explained, fail

if TYPE_CHECKING:
    from twin.guards import Verdict

__all__ = ["guard"]


class Direction(StrEnum):
    """What kind of text it is."""

    question = "question"
    passage = "passage"
    answer = "answer"


class Line(msgspec.Struct):
    """A text to look at; an answer with the passages that it was made from."""

    text: str
    passages: list[str] = []


@explained
def guard(
    file: Annotated[typer.FileText | None, typer.Argument(help="JSON lines; standard input without one.")] = None,
    direction: Annotated[Direction, typer.Option(help="What the texts are.")] = Direction.question,
) -> None:
    """Let the guards look at texts: a line {"text": ...} in, a line with what was found out."""
    from twin.deployment import Deployment
    from twin.guards import Guards
    from twin.settings import EndpointSettings, GuardSettings, read

    guards = Guards(read(GuardSettings), outside=read(EndpointSettings).url is not None)
    retriever = Deployment().retriever
    guards.warm()
    for number, line in enumerate(file or sys.stdin, start=1):
        if not line.strip():
            continue
        try:
            asked = msgspec.json.decode(line, type=Line)
        except msgspec.DecodeError as error:
            fail(f"Line {number} does not fit: {error}. A line is an object with a `text`.")
        verdicts = _looked(guards, direction, asked, retriever.vector)
        sys.stdout.write(msgspec.json.encode(_told(verdicts)).decode() + "\n")


def _looked(guards: Any, direction: Direction, asked: Line, vector: Any) -> list[Verdict]:
    """What the guards of that direction say, as they do for a request."""
    if direction is Direction.passage:
        return [guards.passage(asked.text)]
    if direction is Direction.answer:
        return [guards.sentence(asked.text, asked.passages), guards.whole(asked.text, asked.passages)]
    private = guards.data(asked.text)
    return [private, guards.question(private.text, vector(private.text) if guards.needs_vector else None)]


def _told(verdicts: list[Verdict]) -> dict[str, Any]:
    from twin.guards.findings import worst

    findings = [finding for verdict in verdicts for finding in verdict.findings]
    action = worst(findings)
    return {
        "allowed": action != "block",
        "action": action,
        "findings": findings,
        "ms": round(sum(sum(verdict.timings.values()) for verdict in verdicts), 3),
    }
