"""Copies find their original; languages are told apart or not told."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.cleaning import Fingerprint, detect_language, exact_duplicates, fingerprint
from twin.records import Document

EARLY, LATE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)


def test_the_earliest_is_canonical_and_the_order_makes_no_difference() -> None:
    rows = [Fingerprint("a", "h", LATE, "u1"), Fingerprint("b", "h", EARLY, "u3"), Fingerprint("c", "h", None, "u0")]
    for order in itertools.permutations([*rows, Fingerprint("d", "other", EARLY, "u9")]):
        assert exact_duplicates(order) == {"a": "b", "c": "b"}


def test_the_first_url_decides_between_equals_and_plain_tuples_will_do() -> None:
    assert exact_duplicates([("a", "h", None, "u2"), ("b", "h", None, "u1")]) == {"a": "b"}


def test_documents_without_text_are_no_copies_of_one_another() -> None:
    assert exact_duplicates([("a", "", None, "u1"), ("b", "", None, "u2")]) == {}


def test_blank_space_and_case_make_no_difference() -> None:
    def make(content: str) -> Document:
        return Document(id=content, url="u", source_id="s", author="A", title="T", content=content)

    assert fingerprint(make("Some  Text\n")).hash == fingerprint(make("some text")).hash
    assert fingerprint(make("some text")).hash != fingerprint(make("some texts")).hash
    assert fingerprint(make(" \n")).hash == ""


ids = st.tuples(st.sampled_from("xyz"), st.sampled_from([None, EARLY, LATE]), st.sampled_from(["u1", "u2"]))


@given(st.lists(ids, max_size=12))
def test_every_copy_points_at_a_document_that_is_no_copy(rows: list) -> None:
    fingerprints = [Fingerprint(str(number), *row) for number, row in enumerate(rows)]
    copies = exact_duplicates(fingerprints)
    by_id = {one.id: one for one in fingerprints}
    assert len(fingerprints) - len(copies) == len({one.hash for one in fingerprints})
    for copy, canonical in copies.items():
        assert canonical not in copies
        assert by_id[copy].hash == by_id[canonical].hash


SAMPLES = {
    "en": "The engine has no pretensions to originate anything. It can do whatever we know how to order it to perform, "
    "and it is for us to say what that is.",
    "de": "Die Maschine erhebt nicht den Anspruch, etwas zu erschaffen. Sie kann alles tun, was wir ihr zu befehlen "
    "wissen, und es ist an uns, das zu sagen, auch wenn es nicht leicht ist.",
    "fr": "La machine ne prétend pas créer quelque chose. Elle peut faire tout ce que nous savons lui ordonner, et "
    "c'est à nous de dire ce que nous voulons pour les autres et pour nous.",
    "es": "La máquina no pretende crear nada. Puede hacer todo lo que sepamos ordenarle, y es a nosotros a quienes "
    "toca decir qué es lo que queremos para los demás y por qué.",
    "ru": "Машина не претендует на то, чтобы создавать что-то новое.",
    "ja": "機械は何かを生み出すことを主張しません。",
    "zh": "机器并不声称能够创造任何东西。",
}
CODE = "```python\n" + "the of and to in is that it for with\n" * 5 + "```"


@pytest.mark.parametrize("language", SAMPLES)
def test_the_language_is_told(language: str) -> None:
    assert detect_language(SAMPLES[language]) == language


@pytest.mark.parametrize("text", ["", "Short text.", CODE, "1 2 3"])
def test_of_too_little_text_nothing_is_said(text: str) -> None:
    assert detect_language(text) is None
