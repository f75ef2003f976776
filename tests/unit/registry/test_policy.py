"""Which approvals count, and how many it takes."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from msgspec import UNSET

from twin.registry.blind import LEAST_PAIRS, Tally
from twin.registry.policy import Policy, Standing, gate_verdict, person, standing
from twin.registry.signatures import Decision, ReviewKey, Verdict

if TYPE_CHECKING:
    from twin.records import ReviewState

KEY = ReviewKey("token")
EXAMPLES = [{"base": f"b{number}", "tuned": f"t{number}"} for number in range(LEAST_PAIRS)]
WITH_PAIRS = json.dumps({"examples": EXAMPLES}).encode()
WITHOUT_PAIRS = json.dumps({"examples": EXAMPLES[1:]}).encode()
TALLY = Tally(pairs=8, tuned=5, base=2, ties=1)


def said(
    verdict: Verdict, reviewer: str = "Ada", *, manifest: bytes = WITH_PAIRS, waiver: str | None = None
) -> Decision:
    return Decision(
        verdict=verdict,
        reviewer=reviewer,
        comment="",
        at="2026-01-01T00:00:00.000+00:00",
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        tally=TALLY if verdict == "compared" else UNSET,
        waiver=waiver or UNSET,
    )


def after(*said: Decision, approvals: int = 1, status: str = "Development", manifest: bytes = WITH_PAIRS) -> Standing:
    """Where a review stands after people said this, all of it signed."""
    return of(history(list(said)), approvals=approvals, status=status, manifest=manifest)


def history(said: list[Decision], before: list[Decision] | None = None) -> list[Decision]:
    decisions = list(before or [])
    for decision in said:
        decisions.append(KEY.sign("m", "1.0.0", decision, decisions))
    return decisions


def of(
    decisions: list[Decision], *, approvals: int = 1, status: str = "Development", manifest: bytes = WITH_PAIRS
) -> Standing:
    return standing(
        KEY,
        policy=Policy(approvals=approvals),
        name="m",
        version="1.0.0",
        status=status,
        manifest=manifest,
        requested=True,
        decisions=decisions,
    )


@pytest.mark.parametrize(
    ("decisions", "state"),
    [
        ([said("compared")], "pending"),
        ([said("approved")], "pending"),
        ([said("compared"), said("approved")], "approved"),
        ([said("approved"), said("compared")], "pending"),
        ([said("compared", "Bob"), said("approved", "Ada")], "pending"),
        ([said("compared", " ADA "), said("approved", "Ada")], "approved"),
        ([said("approved", "demo", waiver="a demonstration")], "approved"),
        ([said("rejected")], "rejected"),
        ([said("compared"), said("approved"), said("rejected", "Bob")], "rejected"),
        ([said("compared"), said("approved"), said("replaced", "Bob")], "approved"),
    ],
)
def test_an_approval_counts_when_its_author_compared_before_or_waived_that(
    decisions: list[Decision], state: ReviewState
) -> None:
    assert after(*decisions).state == state


def test_without_enough_pairs_an_approval_counts_by_itself() -> None:
    assert after(said("approved", manifest=WITHOUT_PAIRS), manifest=WITHOUT_PAIRS).state == "approved"


def test_a_comparison_of_other_answers_is_none_of_these() -> None:
    other = said("compared", manifest=WITHOUT_PAIRS)
    assert after(other, said("approved")).state == "pending"


def test_two_approvals_are_two_peoples() -> None:
    ada, again, bob = said("approved", "Ada"), said("approved", "ada "), said("approved", "Bob")
    compared = [said("compared", "Ada"), said("compared", "Bob")]
    assert after(*compared, ada, approvals=2) == Standing(state="pending", approved_by=("Ada",))
    assert after(*compared, ada, again, approvals=2).state == "pending"
    assert after(*compared, ada, bob, approvals=2) == Standing(state="approved", approved_by=("Ada", "Bob"))


def test_a_version_in_production_whose_approvals_no_longer_suffice_awaits_another() -> None:
    decisions = [said("compared"), said("approved")]
    assert after(*decisions, approvals=2, status="Production").state == "pending"
    assert after(said("compared"), approvals=2, status="Production").state == "unverified"


def test_an_unsigned_approval_before_a_signed_one_is_nobodys() -> None:
    forged = said("approved", "Bob", waiver="w")
    decisions = history([said("compared", "Ada"), said("approved", "Ada")], before=[forged])
    assert of(decisions, approvals=2) == Standing(state="pending", approved_by=("Ada",))


def test_a_waiver_alone_is_told_from_a_review() -> None:
    waived = said("approved", "demo", waiver="a demonstration")
    assert after(waived).waived
    assert not after(waived, said("compared"), said("approved")).waived


def test_names_that_look_alike_are_one_person() -> None:
    assert person("  Ada\tLöw ") == person("ada lo\u0308w")
    assert person("Ada") != person("Bob")


@pytest.mark.parametrize(
    ("manifest", "verdict"),
    [
        ({"gate": {"verdict": "cannot tell"}}, "cannot tell"),
        ({"gate": {"verdict": ["worse"]}}, "unknown"),
        ({"gate": "worse"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_the_gates_verdict_is_read_from_any_manifest(manifest: dict, verdict: str) -> None:
    assert gate_verdict(manifest) == verdict
