"""What a signed review withstands: alteration, removal, reordering, another version, another token."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.registry.policy import ONE_APPROVAL, standing
from twin.registry.signatures import Decision, ReviewKey, Verdict

if TYPE_CHECKING:
    from twin.records import ReviewState

KEY = ReviewKey("token")
MANIFEST = b'{"sha256": "abc"}'
WRITTEN = st.builds(
    Decision,
    verdict=st.sampled_from(["approved", "rejected", "replaced"]),
    reviewer=st.text(),
    comment=st.text(),
    at=st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds")),
    manifest_sha256=st.text(),
)


def history(
    written: list[Decision], key: ReviewKey = KEY, *, name: str = "m", version: str = "1.0.0"
) -> list[Decision]:
    decisions: list[Decision] = []
    for decision in written:
        decisions.append(key.sign(name, version, decision, decisions))
    return decisions


def decided(verdict: Verdict, manifest: bytes = MANIFEST) -> Decision:
    sha256 = hashlib.sha256(manifest).hexdigest()
    return Decision(
        verdict=verdict, reviewer="Ada", comment="", at="2026-01-01T00:00:00.000+00:00", manifest_sha256=sha256
    )


def state(
    decisions: list[Decision], status: str, *, requested: bool = True, key: ReviewKey | None = KEY
) -> ReviewState:
    return standing(
        key,
        policy=ONE_APPROVAL,
        name="m",
        version="1.0.0",
        status=status,
        manifest=MANIFEST,
        requested=requested,
        decisions=decisions,
    ).state


@given(st.lists(WRITTEN, min_size=1, max_size=5))
def test_what_was_signed_verifies_for_its_version_and_token_alone(written: list[Decision]) -> None:
    decisions = history(written)
    assert KEY.verifies("m", "1.0.0", decisions)
    assert not KEY.verifies("m", "1.1.0", decisions)
    assert not KEY.verifies("n", "1.0.0", decisions)
    assert not ReviewKey("another token").verifies("m", "1.0.0", decisions)


@given(st.lists(WRITTEN, min_size=1, max_size=5), st.data())
def test_no_decision_in_a_history_can_be_altered(written: list[Decision], data: st.DataObject) -> None:
    decisions = history(written)
    index = data.draw(st.integers(0, len(decisions) - 1))
    field = data.draw(st.sampled_from([field for field in Decision.__struct_fields__ if field != "verdict"]))
    value = data.draw(st.text().filter(lambda text: text != getattr(decisions[index], field)))
    decisions[index] = msgspec.structs.replace(decisions[index], **{field: value})
    assert not KEY.verifies("m", "1.0.0", decisions)


@given(st.lists(WRITTEN, min_size=2, max_size=5), st.data())
def test_none_can_be_taken_out_before_another_or_change_places_or_come_again(
    written: list[Decision], data: st.DataObject
) -> None:
    decisions = history(written)
    index = data.draw(st.integers(0, len(decisions) - 2))
    assert not KEY.verifies("m", "1.0.0", decisions[:index] + decisions[index + 1 :])
    assert not KEY.verifies("m", "1.0.0", [*decisions, decisions[index]])
    swapped = decisions.copy()
    swapped[index], swapped[index + 1] = swapped[index + 1], swapped[index]
    assert not KEY.verifies("m", "1.0.0", swapped)


@given(st.lists(st.sampled_from(["approved", "rejected"]), min_size=1, max_size=4))
def test_the_newest_decision_counts(verdicts: list[Verdict]) -> None:
    assert state(history([decided(verdict) for verdict in verdicts]), "Production") == verdicts[-1]


def test_a_decision_after_an_unsigned_or_altered_one_counts_again() -> None:
    altered = [msgspec.structs.replace(history([decided("rejected")])[0], comment="altered"), decided("approved")]
    assert state(altered, "Production") == "unverified"
    assert state([*altered, KEY.sign("m", "1.0.0", decided("approved"), altered)], "Production") == "approved"


@pytest.mark.parametrize(
    ("decisions", "status", "expected"),
    [
        ([], "Production", "unverified"),
        ([], "Development", "pending"),
        ([decided("approved")], "Production", "unverified"),
        (history([decided("approved", b"another manifest")]), "Production", "unverified"),
        (history([decided("approved")]), "Production", "approved"),
        (history([decided("rejected")]), "Production", "rejected"),
        (history([decided("approved"), decided("replaced")]), "Archived", "approved"),
        (history([decided("approved"), decided("replaced")]), "Production", "unverified"),
    ],
)
def test_the_state_of_a_review_is_what_signatures_say(
    decisions: list[Decision], status: str, expected: ReviewState
) -> None:
    assert state(decisions, status) == expected
    without_key = state(decisions, status, key=None)
    assert without_key == (expected if expected == "pending" else "unverified")


def test_nothing_asked_and_nothing_decided_is_no_review() -> None:
    assert state([], "Development", requested=False) == "none"


def test_a_key_does_not_show_what_it_is_made_of() -> None:
    assert "token" not in repr(KEY)
