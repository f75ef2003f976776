"""Two manifests side by side, whether they are of one base, and a version as a card."""

from __future__ import annotations

from twin.records import ModelVersion
from twin.registry.card import model_card
from twin.registry.comparison import Difference, compare
from twin.registry.history import happenings
from twin.registry.manifests import is_same_base

OLD = {
    "base_model": "b",
    "base_sha256": "1",
    "scores": {"chrf_tuned": 20},
    "hyperparameters": {"lora_r": 16, "seed": 1},
}
NEW = {
    "base_model": "b",
    "base_sha256": "1",
    "scores": {"chrf_tuned": 22.5},
    "hyperparameters": {"lora_r": 8, "seed": 1},
}


def test_what_differs_between_two_versions_is_found_by_part() -> None:
    new = {**NEW, "dataset_version": "d2", "cost": {"seconds": 60}}
    assert [found for found in compare(new, OLD) if found.is_one] == [
        Difference(part="figures", name="chrf_tuned", a=22.5, b=20.0),
        Difference(part="data", name="dataset_version", a="d2", b=None),
        Difference(part="recipe", name="hyperparameters.lora_r", a=8, b=16),
        Difference(part="cost", name="cost.seconds", a=60, b=None),
    ]


def test_manifests_that_anybody_wrote_are_compared_too() -> None:
    odd = {"scores": "many", "hyperparameters": [1, {"a": None}], "cost": True}
    assert {found.name: found.a for found in compare(odd, {})} == {
        "hyperparameters": "[1, {'a': None}]",
        "cost": "True",
    }


def test_a_base_is_told_by_its_weights_and_else_by_its_name() -> None:
    assert is_same_base(OLD, NEW)
    assert not is_same_base(OLD, {**NEW, "base_sha256": "2"})
    assert not is_same_base({"base_model": "a"}, NEW)
    assert is_same_base({}, NEW)


def test_a_card_tells_who_reviewed_and_nobodys_words_end_a_cell() -> None:
    events = [{"actionType": "MODEL_VERSION_STATUS_REQUEST_APPROVED", "userName": "Ada|<b>", "comment": "a\n| b |"}]
    version = ModelVersion(
        name="m",
        version="1.0.0",
        status="Production",
        review="approved",
        approved_by=["demo"],
        waived=True,
        manifest=NEW,
    )
    card = model_card(version, happenings(events))
    assert "approved by a waiver, no blind review (demo)" in card
    assert "| chrf_tuned | 22.5 |" in card
    assert r"|  | Ada\|&lt;b> | status request approved | a \| b \| |" in card
