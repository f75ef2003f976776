"""What a look at sources changed: exact counts, and a bounded number of the outcomes behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twin.records import Source

__all__ = ["ABSENT", "PROBLEMS", "STATES", "IngestReport", "Outcome", "SourceReport", "State", "Tally", "kept"]

State = Literal["added", "changed", "removed", "unchanged", "refused", "failed", "withheld"]
STATES: tuple[State, ...] = ("added", "changed", "removed", "unchanged", "refused", "failed", "withheld")
"""In the order in which they are always shown."""
PROBLEMS: frozenset[State] = frozenset({"refused", "failed"})
ABSENT: frozenset[State] = frozenset({*PROBLEMS, "withheld"})
"""What keeps a document out of the warehouse; what is listed for as long as it holds."""
MAX_KEPT = 1_000
"""Outcomes in a report, of problems, withheld ones and the others each, and warnings; all are in the warehouse."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one document."""

    url: str
    state: State
    reason: str | None = None


class SourceReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at one source changed, in documents."""

    source: Source
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    refused: int = 0
    failed: int = 0
    withheld: int = 0
    error: str | None = None
    """Why it was not read whole."""

    @property
    def counts(self) -> dict[str, int]:
        """The seven counts."""
        return {name: getattr(self, name) for name in STATES}

    @property
    def held(self) -> int:
        """Documents that it showed and that are in the warehouse now; 0 when nothing could be read."""
        return self.added + self.changed + self.unchanged


class IngestReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at some sources changed. Reports add up with `+`."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    refused: int = 0
    failed: int = 0
    withheld: int = 0
    outcomes: list[Outcome] = []
    """Of every document but the unchanged ones, up to `MAX_KEPT` problems, withheld ones and others each."""
    warnings: list[str] = []
    """Up to `MAX_KEPT`."""
    sources: list[SourceReport] = []
    """One for each source, in the order in which they ended."""

    @property
    def counts(self) -> dict[str, int]:
        """The seven counts, in the order they are always shown in."""
        return {name: getattr(self, name) for name in STATES}

    @property
    def problems(self) -> list[Outcome]:
        """The outcomes that are refusals and failures."""
        return [outcome for outcome in self.outcomes if outcome.state in PROBLEMS]

    @property
    def kept_back(self) -> list[Outcome]:
        """The outcomes that are withheld."""
        return [outcome for outcome in self.outcomes if outcome.state == "withheld"]

    @property
    def held(self) -> int:
        """Documents that were shown and are in the warehouse now; 0 when nothing could be read."""
        return self.added + self.changed + self.unchanged

    def __add__(self, other: IngestReport) -> IngestReport:
        sums = {name: count + getattr(other, name) for name, count in self.counts.items()}
        return IngestReport(
            **sums,
            outcomes=kept([*self.outcomes, *other.outcomes]),
            warnings=[*self.warnings, *other.warnings][:MAX_KEPT],
            sources=[*self.sources, *other.sources],
        )


class Tally:
    """Counts outcomes by source while they happen."""

    def __init__(self) -> None:
        self.total = dict.fromkeys(STATES, 0)
        self._counts: dict[str, dict[State, int]] = {}
        self._outcomes: dict[str, list[Outcome]] = {"others": [], "withheld": [], "problems": []}
        self._warnings: list[str] = []
        self._ended: dict[str, tuple[Source, str | None]] = {}

    @property
    def ended(self) -> int:
        """How many sources have ended."""
        return len(self._ended)

    def count(self, source_id: str, state: State, number: int = 1) -> None:
        """Counts documents without an outcome of their own."""
        of = self._counts.setdefault(source_id, dict.fromkeys(STATES, 0))
        of[state] += number
        self.total[state] += number

    def record(self, source_id: str, outcome: Outcome) -> None:
        """Counts an outcome, and keeps it while there is room."""
        self.count(source_id, outcome.state)
        room = self._outcomes[_room(outcome)]
        if len(room) < MAX_KEPT:
            room.append(outcome)

    def warn(self, message: str) -> None:
        """Adds a warning while there is room."""
        if len(self._warnings) < MAX_KEPT:
            self._warnings.append(message)

    def end(self, source: Source, error: str | None) -> None:
        """Notes how a source ended."""
        self._ended[source.id] = (source, error)

    def of(self, source_id: str) -> dict[State, int]:
        """The counts of a source so far."""
        return self._counts.get(source_id) or dict.fromkeys(STATES, 0)

    def report(self) -> IngestReport:
        """What was counted."""
        return IngestReport(
            **self.total,
            outcomes=[outcome for room in self._outcomes.values() for outcome in room],
            warnings=self._warnings,
            sources=[
                SourceReport(source=source, error=error, **self.of(source.id)) for source, error in self._ended.values()
            ],
        )


def kept(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The first `MAX_KEPT` problems, withheld ones and others each, in their order."""
    taken = dict.fromkeys(("others", "withheld", "problems"), 0)
    result = []
    for outcome in outcomes:
        room = _room(outcome)
        if taken[room] < MAX_KEPT:
            taken[room] += 1
            result.append(outcome)
    return result


def _room(outcome: Outcome) -> str:
    if outcome.state in PROBLEMS:
        return "problems"
    return "withheld" if outcome.state == "withheld" else "others"
