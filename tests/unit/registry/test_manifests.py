"""What makes two manifests the same model, and what a manifest may hold."""

from __future__ import annotations

import math

import pytest

from twin.errors import InputError
from twin.registry.manifests import encode, manifest_fingerprint, numbers

MANIFEST = {"sha256": "a", "dataset_version": "d", "scores": {"x": 1}}


def test_findings_about_a_model_do_not_make_it_another_model() -> None:
    assert manifest_fingerprint(MANIFEST) == manifest_fingerprint(MANIFEST | {"scores": {"x": 2}, "created_at": "now"})


@pytest.mark.parametrize(
    "key", ["sha256", "dataset_version", "code_version", "base_model", "hyperparameters", "recipe"]
)
def test_each_ingredient_makes_another_model(key: str) -> None:
    assert manifest_fingerprint(MANIFEST) != manifest_fingerprint(MANIFEST | {key: "other"})


def test_the_order_of_a_manifests_keys_says_nothing() -> None:
    assert manifest_fingerprint(MANIFEST) == manifest_fingerprint(dict(reversed(MANIFEST.items())))


def test_a_manifest_without_ingredients_is_compared_whole() -> None:
    assert manifest_fingerprint({"note": "a"}) != manifest_fingerprint({"note": "b"})


@pytest.mark.parametrize("value", [{1, 2}, math.nan, object()])
def test_a_manifest_that_is_not_plain_json_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="JSON"):
        encode({"value": value})


def test_scores_become_flat_numbers() -> None:
    scores = {"perplexity": {"base": 2, "tuned": 1.5}, "passed": True, "note": "text", "n": 3}
    assert numbers(scores) == {"perplexity.base": 2.0, "perplexity.tuned": 1.5, "n": 3.0}
