"""What counts as drift, on made-up windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twin.alerts import conditions, template
from twin.monitoring.drift import Report, Window, charts, compare
from twin.monitoring.drift.window import FIGURES, QUESTIONS, READERS

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DIMENSIONS = 32


class Readers:
    """Questions around ten topics, and around two new ones."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.centres = self.rng.normal(size=(12, DIMENSIONS))

    def ask(self, count: int, *, shifted: float = 0.0, changed: Mapping[str, Any] | None = None) -> Window:
        rng, rows = self.rng, []
        for number in range(count):
            topic = rng.integers(10, 12) if rng.random() < shifted else rng.integers(10)
            vector = self.centres[topic] + rng.normal(size=DIMENSIONS)
            row = {
                "_id": str(number),
                "created_at": NOW + timedelta(seconds=number),
                "status": "nothing_found" if rng.random() < 0.1 else "answered",
                "vector": vector.astype(np.float16).tobytes(),
                "relevance": float(rng.beta(6, 2)),
                "support": float(rng.beta(8, 2)),
                "length": int(rng.lognormal(6, 0.5)),
                "usage": {"prompt_tokens": int(rng.integers(400, 900)), "completion_tokens": 50},
                "timings": {"time_to_first_token": 300.0 + rng.normal(), "generation": 1500.0 + rng.normal()},
            }
            rows.append(row | {name: value(rng) for name, value in (changed or {}).items()})
        found = Window.of(rows, {})
        assert found is not None
        return found


def drifted(report: Report) -> set[str]:
    return {row.figure for row in report.drifted}


def test_every_figure_is_read() -> None:
    assert set(READERS) == {figure.name for figure in FIGURES}
    window = Readers(1).ask(60)
    assert window.questions().shape == (60, DIMENSIONS)
    assert 45 < len(window.column("support")) <= 60  # of what was answered
    assert len(window.column("thumbs_down")) == 0


def test_the_same_readers_raise_no_alarm_and_others_do() -> None:
    alarms = []
    for seed in range(15):
        readers = Readers(seed)
        reference = readers.ask(400)
        alarms.append(drifted(compare("1.0.0", reference, readers.ask(300), at=NOW)))
        found = compare("1.0.0", reference, readers.ask(300, shifted=0.5), at=NOW)
        assert QUESTIONS in drifted(found)
    assert alarms == [set()] * 15


@pytest.mark.parametrize(
    ("figure", "changed"),
    [
        ("nothing_relevant", {"status": lambda rng: "nothing_found" if rng.random() < 0.4 else "answered"}),
        ("failed", {"status": lambda rng: "failed" if rng.random() < 0.3 else "answered"}),
        ("relevance", {"relevance": lambda rng: float(rng.beta(2, 2))}),
        ("first_token", {"timings": lambda rng: {"time_to_first_token": 900.0, "generation": 2100.0 + rng.normal()}}),
        ("answer_length", {"length": lambda rng: int(rng.lognormal(4, 0.5))}),
    ],
)
def test_each_figure_that_becomes_worse_is_found(figure: str, changed: dict[str, Any]) -> None:
    readers = Readers(7)
    report = compare("1.0.0", readers.ask(400), readers.ask(300, changed=changed), at=NOW)
    assert figure in drifted(report)
    fits = conditions.drifted(report, "link", retrains=True)
    assert set(next(iter(fits.values()))) == template("drift").fields


def test_what_becomes_better_is_no_drift() -> None:
    readers = Readers(7)
    faster = {"timings": lambda rng: {"time_to_first_token": 100.0, "generation": 900.0 + rng.normal()}}
    found = {"status": lambda _: "answered"}
    assert drifted(compare("1.0.0", readers.ask(400), readers.ask(300, changed=faster | found), at=NOW)) == set()


def test_vectors_of_another_model_are_not_compared() -> None:
    readers = Readers(1)
    other = {"vector": lambda rng: rng.normal(size=8).astype(np.float16).tobytes()}
    report = compare("1.0.0", readers.ask(400), readers.ask(300, changed=other), at=NOW)
    assert QUESTIONS not in {row.figure for row in report.rows}


def test_a_jump_of_tokens_is_told_by_itself_and_the_plots_are_drawn() -> None:
    readers = Readers(1)
    more = {"usage": lambda _: {"prompt_tokens": 3_000, "completion_tokens": 50}}
    report = compare("1.0.0", readers.ask(400), readers.ask(300, changed=more), at=NOW)
    (values,) = conditions.jumped_tokens(report, 3).values()
    assert set(values) == template("tokens_jumped").fields
    assert conditions.jumped_tokens(report, 6) == {}
    assert charts.how_sure(report).startswith(b"\x89PNG")
    assert charts.figures_over_time([report, report]).startswith(b"\x89PNG")
