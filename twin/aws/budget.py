"""Whether something may be spent: by BUDGET_MONTHLY_USD, or by a person's word.

What was spent is not kept here: it is asked of AWS, which knows what ran, so it cannot be forgotten or doubled, and is
the same for every machine.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from twin.errors import BudgetExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Expense", "allow", "month_of"]

CENT = 0.005


class Expense(msgspec.Struct, frozen=True, kw_only=True):
    """Something that costs money by the hour."""

    what: str
    """For people: `Training llm-twin-1 on ml.g5.xlarge`."""
    usd_per_hour: float
    expected_usd: float
    most_usd: float
    """When it runs until it is cut off. This is what the budget must have left."""

    def __str__(self) -> str:
        return (
            f"{self.what} costs ${self.usd_per_hour:.2f} an hour: about ${self.expected_usd:.2f}, at most "
            f"${self.most_usd:.2f}"
        )


def allow(
    expense: Expense, *, monthly_usd: float | None, spent_usd: Callable[[], float], confirmed_usd: float | None
) -> None:
    """Returns if the expense may be made.

    Args:
        expense: What is about to be started.
        monthly_usd: The budget of a month; None where none is set.
        spent_usd: Asks what this month has cost so far, with what still runs taken at its most.
        confirmed_usd: What a person said that this may cost; None where nobody was asked.

    Raises:
        BudgetExceeded: Nobody allowed it, or not so much.
    """
    if confirmed_usd is not None:
        if expense.most_usd > confirmed_usd + CENT:
            raise BudgetExceeded(
                f"{expense}, and ${confirmed_usd:.2f} was confirmed. Confirm more: --spend {expense.most_usd:.2f}."
            )
        return
    if monthly_usd is None:
        raise BudgetExceeded(
            f"{expense}. BUDGET_MONTHLY_USD is not set, so nothing is spent without a person's word. Give it: "
            f"`llm-twin materialize train --spend {expense.most_usd:.2f}`; or set a budget, which automation keeps to."
        )
    spent = spent_usd()
    if spent + expense.most_usd > monthly_usd + CENT:
        raise BudgetExceeded(
            f"{expense}. Of BUDGET_MONTHLY_USD={monthly_usd:g} this month has ${max(0.0, monthly_usd - spent):.2f} "
            "left. Raise it, wait for the next month, or confirm it: "
            f"`llm-twin materialize train --spend {expense.most_usd:.2f}`."
        )


def month_of(moment: datetime) -> datetime:
    """When the month of a moment began, in the moment's own zone."""
    return datetime(moment.year, moment.month, 1, tzinfo=moment.tzinfo)
