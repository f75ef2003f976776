"""Progress as lines on standard output, so that whoever started a long computation can follow it."""

from __future__ import annotations

import sys

import msgspec

__all__ = ["Progress", "parse", "report"]

PREFIX = "PROGRESS "


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened."""

    event: str
    """`loading`, `prepared`, `resumed`, `step`, `preference_step`, `interrupted`, `exporting`, `done`, ..."""
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    tokens_per_second: float | None = None
    eta_seconds: float | None = None
    detail: dict[str, int | float | str] = {}

    def __str__(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in self.detail.items())
        if self.tokens_per_second is None:
            done = f"{self.event} {self.step} of {self.steps}" if self.step and self.steps else self.event
            return f"{done}: {facts}" if facts else done
        return (
            f"{self.event.replace('_', ' ')} {self.step}/{self.steps}  loss {self.loss or 0:.3f}  "
            f"{self.tokens_per_second:.0f} tokens/s  {self.eta_seconds or 0:.0f} s left"
        ) + (f"  {facts}" if facts else "")


def report(progress: Progress) -> None:
    """Writes one line for the parent process."""
    sys.stdout.write(f"{PREFIX}{msgspec.json.encode(progress).decode()}\n")
    sys.stdout.flush()


def parse(line: str) -> Progress | None:
    """The progress that a line reports, or None for any other line."""
    if not line.startswith(PREFIX):
        return None
    try:
        return msgspec.json.decode(line[len(PREFIX) :], type=Progress)
    except msgspec.DecodeError:
        return None
