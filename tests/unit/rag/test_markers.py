"""Marks go, wherever the stream cuts them; everything else stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rag.markers import MarkerFilter


def filtered(pieces: list[str]) -> str:
    marks = MarkerFilter()
    return "".join([*(marks.feed(piece) for piece in pieces), marks.flush()])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[2] The dough rests.", "The dough rests."),
        ("The dough rests [1][2]. Then [3] it bakes.", "The dough rests. Then it bakes."),
        ("items[0] is code, and so is f(x)[1:2].", "items[0] is code, and so is f(x)[1:2]."),
        ("[a link] [1999] and [ 1 ]", "[a link] [1999] and [ 1 ]"),
        ("It ends [1", "It ends [1"),
        ("  \n Plain.", "Plain."),
        ("", ""),
    ],
)
def test_marks_go_and_the_rest_stays(text: str, expected: str) -> None:
    assert filtered([text]) == expected
    assert filtered(list(text)) == expected


@given(st.lists(st.text(alphabet="a [1]2.\n", max_size=6), max_size=8))
def test_where_the_stream_is_cut_makes_no_difference(pieces: list[str]) -> None:
    assert filtered(pieces) == filtered(list("".join(pieces)))


def test_text_without_a_bracket_is_not_held_back() -> None:
    marks = MarkerFilter()
    assert [marks.feed(piece) for piece in ("The", " dough", " rests.")] == ["The", " dough", " rests."]
