"""A window beside the reference: every figure tested, corrected for how often that is done, and what has drifted."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations at run time
from typing import TYPE_CHECKING, Literal

import msgspec

from twin.monitoring.drift import statistics
from twin.monitoring.drift.window import FIGURES, QUESTIONS, Figure, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twin.monitoring.drift.statistics import Test

__all__ = ["FALSE_ALARM", "Compared", "Report", "State", "compare"]

FALSE_ALARM = 0.01
"""How likely any false alarm is among all figures of all windows of a day."""
WINDOWS_A_DAY = 24

State = Literal["compared", "too few requests", "gathering the reference", "no requests"]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One figure in the window and in the reference."""

    figure: str
    label: str
    reference: float
    """The median or the share there; of the questions, how near one is to those before."""
    window: float
    effect: float
    p: float
    corrected: float
    """p, times the figures and the windows of a day."""
    drifted: bool

    def __str__(self) -> str:
        return f"{self.label}: {_figure(self.window)} (was {_figure(self.reference)})"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one look found."""

    at: datetime
    state: State
    version: str | None = None
    requests: int = 0
    began: datetime | None = None
    ended: datetime | None = None
    reference_requests: int = 0
    rows: list[Compared] = []
    token_factor: float | None = None
    """How many times as many tokens a request takes as in the reference."""

    @property
    def drifted(self) -> list[Compared]:
        """The figures that are other than they were."""
        return [row for row in self.rows if row.drifted]

    @property
    def told(self) -> str:
        """The finding in a sentence."""
        if self.state != "compared":
            return f"Nothing is compared: {self.state}."
        if not self.drifted:
            return f"No drift in {self.requests:,} requests of version {self.version}."
        return f"Drift in version {self.version}: {'; '.join(map(str, self.drifted))}."


def compare(version: str, reference: Window, window: Window, *, at: datetime, windows: int = WINDOWS_A_DAY) -> Report:
    """Tests every figure. `windows`: how many are looked at in a day, if more than one an hour."""
    tests = list(_tests(reference, window))
    times = len(tests) * max(windows, WINDOWS_A_DAY)
    return Report(
        at=at,
        state="compared",
        version=version,
        requests=window.requests,
        began=window.began,
        ended=window.ended,
        reference_requests=reference.requests,
        rows=[_compared(figure, test, times) for figure, test in tests],
        token_factor=_token_factor(reference, window),
    )


def _tests(reference: Window, window: Window) -> Iterable[tuple[Figure, Test]]:
    asked = Figure(name=QUESTIONS, label="nearness of questions to those before", kind="number", worse="either")
    if found := statistics.vectors(reference.questions(), window.questions()):
        yield asked, found
    for figure in FIGURES:
        test = statistics.shares if figure.kind == "share" else statistics.numbers
        if found := test(reference.column(figure.name), window.column(figure.name)):
            yield figure, found


def _compared(figure: Figure, test: Test, times: int) -> Compared:
    corrected = min(1.0, test.p * times)
    is_worse = {"higher": test.window > test.reference, "lower": test.window < test.reference, "either": True}
    return Compared(
        figure=figure.name,
        label=figure.label,
        reference=test.reference,
        window=test.window,
        effect=test.effect,
        p=test.p,
        corrected=corrected,
        drifted=corrected < FALSE_ALARM and test.is_large and is_worse[figure.worse],
    )


def _token_factor(reference: Window, window: Window) -> float | None:
    before, now = reference.column("tokens"), window.column("tokens")
    if min(len(before), len(now)) < statistics.LEAST_VALUES or not before.mean():
        return None
    return float(now.mean() / before.mean())


def _figure(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"
