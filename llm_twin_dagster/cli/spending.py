"""What a person allows a run to cost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from twin.deployment import Deployment
from twin.settings import AwsSettings, read

if TYPE_CHECKING:
    from twin.home import Home

__all__ = ["allowed_to_spend"]


def allowed_to_spend(home: Home, confirmed: float | None) -> float | None:
    """What training may cost: what was confirmed, else what a person at the terminal allows; None where nobody said.

    Nobody is asked where training costs nothing, or where a budget answers.
    """
    if confirmed is not None or read(AwsSettings).budget_usd is not None or not sys.stdin.isatty():
        return confirmed
    most = Deployment(home).trainer.most_usd()
    if not most:
        return None
    question = f"If a model has to be trained, a job on SageMaker does it and costs at most ${most:.2f}. Allow that?"
    return round(most, 2) if typer.confirm(question) else None
