"""An author is found by name or id; a name that nobody has is refused with those that there are."""

from __future__ import annotations

import pytest

from twin.errors import UnknownAuthor
from twin.retrieval.authors import resolve


@pytest.mark.parametrize("wanted", ["Ada Lovelace", "ada-lovelace", "ADA lovelace"])
def test_an_author_is_found_by_name_and_by_id(wanted: str) -> None:
    assert resolve(wanted, ["Bob", "Ada Lovelace"]) == "Ada Lovelace"


def test_a_name_as_it_stands_comes_before_another_of_the_same_id() -> None:
    assert resolve("ada", ["Ada", "ada"]) == "ada"


def test_an_unknown_author_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownAuthor, match=r"“Nobody”.*Author 0.*and 2 more"):
        resolve("Nobody", [f"Author {number}" for number in range(7)])


def test_without_passages_the_refusal_says_how_to_ingest() -> None:
    with pytest.raises(UnknownAuthor, match="llm-twin ingest"):
        resolve("Ada", [])
