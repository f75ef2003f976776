"""What the registry decides by itself, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import InputError
from twin.registry import version_key
from twin.registry.comet import next_version
from twin.registry.experiments import root_of
from twin.registry.history import at_comet
from twin.registry.policy import Policy


@pytest.mark.parametrize(
    ("versions", "following"),
    [([], "1.0.0"), (["1.0.0"], "1.1.0"), (["1.9.0", "1.8.0"], "1.10.0"), (["2.3.7", "1.0.0"], "2.4.0")],
)
def test_a_retrained_model_is_the_next_minor_version(versions: list[str], following: str) -> None:
    assert next_version(versions) == following


def test_a_model_of_another_base_is_the_next_major_version() -> None:
    assert next_version(["1.9.0"], same_base=False) == "2.0.0"
    assert next_version([], same_base=False) == "1.0.0"


def answered(how: str, by: str) -> dict[str, Any]:
    return {
        "actionType": f"MODEL_VERSION_STATUS_REQUEST_{how}",
        "userName": by,
        "newValue": {"registryModelStatus": "Production"},
    }


@pytest.mark.parametrize(
    ("events", "status", "approvals", "state"),
    [
        ([], "Development", 1, "none"),
        ([answered("CHANGE", "")], "Development", 1, "pending"),
        ([answered("REJECTED", "ada"), answered("CHANGE", "")], "Development", 1, "rejected"),
        ([answered("APPROVED", "ada"), answered("CHANGE", "")], "Production", 1, "approved"),
        ([answered("APPROVED", "ada"), answered("CHANGE", "")], "Archived", 1, "approved"),
        ([answered("CHANGE", "")], "Production", 1, "approved"),
        ([answered("APPROVED", "ada"), answered("CHANGE", "")], "Production", 2, "pending"),
        ([answered("APPROVED", "Ada "), answered("APPROVED", "ada")], "Production", 2, "pending"),
        ([answered("APPROVED", "bob"), answered("APPROVED", "ada")], "Production", 2, "approved"),
        ([], "Production", 2, "pending"),
    ],
)
def test_a_decision_on_comets_page_is_one_vote_of_a_named_person(
    events: list[dict[str, Any]], status: str, approvals: int, state: str
) -> None:
    assert at_comet(events, status, Policy(approvals=approvals)).state == state


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
