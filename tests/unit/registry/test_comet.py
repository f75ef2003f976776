"""What the registry decides by itself, without a server."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import InputError
from twin.registry import version_key
from twin.registry.comet import encode, manifest_fingerprint, next_version, numbers, root_of

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


@pytest.mark.parametrize(
    ("versions", "following"),
    [([], "1.0.0"), (["1.0.0"], "1.1.0"), (["1.9.0", "1.8.0"], "1.10.0"), (["2.3.7", "1.0.0"], "2.4.0")],
)
def test_a_retrained_model_is_the_next_minor_version(versions: list[str], following: str) -> None:
    assert next_version(versions) == following


@given(st.lists(st.tuples(*[st.integers(0, 10**6)] * 3), min_size=1))
def test_versions_sort_by_their_numbers(numbers: list[tuple[int, int, int]]) -> None:
    texts = [".".join(map(str, version)) for version in numbers]
    assert [version_key(text) for text in sorted(texts, key=version_key)] == sorted(numbers)


@pytest.mark.parametrize("text", ["", "1", "1.0", "1.0.0-rc1", "v1.0.0", "1.0.0\n", "a.b.c"])
def test_other_texts_are_no_semantic_version(text: str) -> None:
    with pytest.raises(InputError, match="semantic version"):
        version_key(text)


@pytest.mark.parametrize("value", [{1, 2}, math.nan, object()])
def test_a_manifest_that_is_not_plain_json_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="JSON"):
        encode({"value": value})


def test_scores_become_flat_numbers() -> None:
    scores = {"perplexity": {"base": 2, "tuned": 1.5}, "passed": True, "note": "text", "n": 3}
    assert numbers(scores) == {"perplexity.base": 2.0, "perplexity.tuned": 1.5, "n": 3.0}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8001/comet/", "http://127.0.0.1:8001", "http://127.0.0.1:8001/a/b?c#d"]
)
def test_rest_endpoints_go_by_the_host_alone(url: str) -> None:
    assert root_of(url) == "http://127.0.0.1:8001"
