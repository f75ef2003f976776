"""What the registry decides by itself, without a server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import InputError
from twin.registry import version_key
from twin.registry.comet import next_version
from twin.registry.experiments import root_of


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


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8001/comet/", "http://127.0.0.1:8001", "http://127.0.0.1:8001/a/b?c#d"]
)
def test_rest_endpoints_go_by_the_host_alone(url: str) -> None:
    assert root_of(url) == "http://127.0.0.1:8001"
