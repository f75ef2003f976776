"""Which version is deployed, and which one a person has taken out of service."""

from __future__ import annotations

from msgspec import structs

from twin.records import ModelVersion
from twin.serving.endpoint import EndpointState, EndpointStatus
from twin.serving.release import decide


def version(number: str, status: str = "Development", review: str = "none") -> ModelVersion:
    return ModelVersion(name="llm-twin", version=number, status=status, review=review)  # ty: ignore[invalid-argument-type]


def served(number: str | None, *held: str, state: EndpointState = "InService") -> EndpointStatus:
    return EndpointStatus(state=state if number else "Absent", version=number, held=held)


OLD = version("1.0.0", "Archived", "approved")
NEW = version("1.1.0", "Production", "approved")


def test_the_newest_approved_version_is_deployed_over_what_is_served() -> None:
    decision = decide([NEW, OLD], served("1.0.0"))
    assert decision.version == NEW
    assert "1.1.0 over 1.0.0" in decision.reason


def test_the_first_approved_version_is_deployed_over_nothing() -> None:
    assert decide([NEW], served(None)).version == NEW


def test_nothing_is_deployed_while_nobody_has_approved_and_what_awaits_review_is_named() -> None:
    decision = decide([version("1.0.0", review="pending")], served(None))
    assert decision.version is None
    assert "models approve 1.0.0" in decision.reason


def test_what_is_served_or_starting_is_not_deployed_again() -> None:
    states: tuple[EndpointState, ...] = ("InService", "Creating", "Updating")
    assert [decide([NEW], served("1.1.0", state=state)).version for state in states] == [None, None, None]
    assert decide([NEW], served("1.1.0", state="Failed")).version == NEW


def test_a_version_that_was_rolled_back_from_stays_out_of_service() -> None:
    decision = decide([NEW, OLD], served("1.0.0", "1.1.0"))
    assert decision.version is None
    assert "materialize deploy --force" in decision.reason


def test_a_deleted_endpoint_stays_deleted() -> None:
    assert decide([NEW, OLD], served(None, "1.1.0")).version is None


def test_a_newer_approved_version_ends_a_rollback() -> None:
    newest = version("1.2.0", "Production", "approved")
    assert decide([newest, version("1.1.0", "Archived"), OLD], served("1.0.0", "1.1.0")).version == newest


def test_an_older_version_that_is_approved_again_is_deployed() -> None:
    again = version("1.0.0", "Production", "approved")
    assert decide([version("1.1.0", "Archived"), again], served("1.1.0")).version == again


def test_a_version_that_nobody_is_known_to_have_approved_is_passed_over_and_named() -> None:
    forged = version("1.2.0", "Production", "unverified")
    alone, beside = decide([forged, OLD], served("1.0.0")), decide([forged, NEW], served("1.0.0"))
    assert alone.version is None
    assert beside.version == NEW
    assert all("models approve 1.2.0" in decision.reason for decision in (alone, beside))


def test_a_rejected_version_is_not_deployed_whatever_its_status() -> None:
    decision = decide([version("1.2.0", "Production", "rejected")], served("1.0.0"))
    assert decision.version is None
    assert "1.2.0 is not deployed" in decision.reason
    assert "models approve" not in decision.reason


def test_a_version_that_serves_unverified_goes_on_serving() -> None:
    decision = decide([version("1.0.0", "Production", "unverified")], served("1.0.0"))
    assert decision.version is None
    assert "models approve 1.0.0" in decision.reason


def waived(verdict: str) -> ModelVersion:
    gate = {"gate": {"verdict": verdict}}
    return structs.replace(NEW, waived=True, approved_by=["demo"], manifest=gate)


def test_what_nobody_reviewed_and_the_gate_cannot_tell_of_is_deployed_when_a_person_asks() -> None:
    decision = decide([waived("cannot tell"), OLD], served("1.0.0"))
    assert decision.version is None
    assert "approved by a waiver alone" in decision.reason
    assert decide([waived("cannot tell"), OLD], served("1.0.0"), asked=True).version == waived("cannot tell")
    assert decide([waived("not worse"), OLD], served("1.0.0")).version == waived("not worse")
    reviewed = structs.replace(waived("cannot tell"), waived=False)
    assert decide([reviewed, OLD], served("1.0.0")).version == reviewed


def test_a_person_who_asks_gets_back_what_was_rolled_back_from() -> None:
    assert decide([NEW, OLD], served("1.0.0", "1.1.0"), asked=True).version == NEW


def test_a_version_that_more_people_must_approve_is_not_deployed_and_says_so() -> None:
    half = structs.replace(version("1.2.0", "Production", "pending"), approved_by=["Ada"])
    decision = decide([half, OLD], served("1.0.0"))
    assert decision.version is None
    assert "than Ada (REVIEW_APPROVALS)" in decision.reason
