"""Nothing is spent unless a budget or a person allows it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from twin.aws.budget import Expense, allow, month_of
from twin.errors import BudgetExceeded

EXPENSE = Expense(what="Training x on ml.g5.xlarge", usd_per_hour=1.408, expected_usd=0.2, most_usd=5.632)


def allowed(monthly: float | None = None, spent: float = 0.0, confirmed: float | None = None) -> None:
    allow(EXPENSE, monthly_usd=monthly, spent_usd=lambda: spent, confirmed_usd=confirmed)


def test_without_a_budget_automation_spends_nothing_and_is_told_how_a_person_allows_it() -> None:
    with pytest.raises(BudgetExceeded, match=r"at most \$5\.63\. BUDGET_MONTHLY_USD is not set.*--spend 5\.63"):
        allowed()


def test_a_budget_allows_what_it_has_left() -> None:
    allowed(monthly=10, spent=4)
    with pytest.raises(BudgetExceeded, match=r"BUDGET_MONTHLY_USD=10 this month has \$5\.00 left"):
        allowed(monthly=10, spent=5)
    with pytest.raises(BudgetExceeded, match=r"\$0\.00 left"):
        allowed(monthly=0)


def test_a_persons_word_stands_above_the_budget_and_goes_as_far_as_it_says() -> None:
    allowed(monthly=0, confirmed=5.63)
    with pytest.raises(BudgetExceeded, match=r"\$5\.00 was confirmed"):
        allowed(monthly=100, confirmed=5)


def test_the_month_begins_on_its_first_day() -> None:
    assert month_of(datetime(2026, 11, 28, 3, tzinfo=UTC)) == datetime(2026, 11, 1, tzinfo=UTC)
