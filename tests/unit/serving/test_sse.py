"""Reading and writing server-sent events."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.serving.sse import EventParser, event

DATA = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\n"), min_size=1)


def pieces(content: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    return [content[start:end] for start, end in itertools.pairwise(places)]


@given(st.lists(DATA, max_size=8), st.lists(st.integers(min_value=0), max_size=30), st.sampled_from(["\n", "\r\n"]))
def test_events_are_the_same_however_the_bytes_are_cut(data: list[str], cuts: list[int], line_end: str) -> None:
    content = "".join(f"data: {one}{line_end}{line_end}" for one in data).encode()
    parser = EventParser()
    assert [one for piece in pieces(content, cuts) for one in parser.feed(piece)] == data


@given(st.lists(DATA, min_size=1, max_size=4))
def test_what_is_written_is_read_back(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert EventParser().feed(event(text)) == [text]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_bytes_make_the_parser_fail(chunks: list[bytes]) -> None:
    parser = EventParser()
    for chunk in chunks:
        assert all(isinstance(data, str) for data in parser.feed(chunk))


@pytest.mark.parametrize(
    ("content", "data"),
    [
        (b"data:no space\n\n", ["no space"]),
        (b"data:  two spaces\n\n", [" two spaces"]),
        (b": keep-alive\n\ndata: a\n\n", ["a"]),
        (b"event: token\nid: 7\ndata: a\nretry: 5\n\n", ["a"]),
        (b"data: first\ndata: second\n\n", ["first\nsecond"]),
        (b"\n\n\ndata: a\n\n\n\n", ["a"]),
        (b"data: a\r\rdata: b\r\r\n", ["a", "b"]),
        (b"data: not ended\n", []),
    ],
)
def test_the_odd_forms_of_the_format(content: bytes, data: list[str]) -> None:
    assert EventParser().feed(content) == data
