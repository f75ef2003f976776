"""Which passages may be answers, and which of them are taken."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.datasets.passages import answer_of, choose, distinct, is_answer
from twin.records import Chunk

PROSE = (
    "We moved the build to one machine because two of them never agreed. The first week was slow, and everyone "
    "said so. Then the cache warmed up, the queue went away, and nobody mentioned the old setup again. What I "
    "took from it is that a slow thing you understand beats a fast thing you do not."
)


def a_chunk(document: str, ordinal: int, text: str = PROSE, author: str = "Ada") -> Chunk:
    return Chunk(
        id=f"{document}/{ordinal}",
        document_id=document,
        revision=1,
        ordinal=ordinal,
        text=text,
        token_count=80,
        title="Builds",
        url=f"https://example.org/{document}",
        author=author,
    )


def test_prose_is_an_answer() -> None:
    assert is_answer(PROSE)
    assert is_answer(f"## One machine\n\n{PROSE}\n\n- it was cheaper\n- it was *known*")
    assert is_answer(PROSE.replace("old setup", "[old setup](https://example.org/a/long/address/of/a/page)"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Too short to answer anything. Really.",
        f"{PROSE} " * 5,
        "```python\n" + "value = compute(value)  # and again, until it holds.\n" * 12 + "```\nThat is all. It works.",
        "\n".join(f"- [Page number {number} of the site](https://example.org/page/{number})" for number in range(20)),
        "\n".join(f"| cell {number} | another cell | and one more. |" for number in range(20)),
        "    " + "\n    ".join("indented code that goes on. And on." for _ in range(10)),
        "word " * 60,
        "12.5 - 33.1 = 7 + 44. 55 / 66 * 12 = 3.1! " * 5,
    ],
    ids=["empty", "short", "long", "code", "links", "table", "indented", "no sentences", "numbers"],
)
def test_what_is_not_prose_of_40_to_200_words_is_no_answer(text: str) -> None:
    assert not is_answer(text)


def test_repeated_passages_are_taken_once_whatever_their_case_and_spacing() -> None:
    chunks = [a_chunk("a", 0), a_chunk("b", 0, PROSE.upper().replace(" ", "\n")), a_chunk("b", 1, PROSE + " More.")]
    assert [chunk.id for chunk in distinct(chunks)] == ["a/0", "b/1"]


def test_the_choice_goes_around_authors_and_documents() -> None:
    prolific = [a_chunk(f"p{document}", ordinal, author="Ada") for document in range(3) for ordinal in range(20)]
    sparing = [a_chunk("s", ordinal, author="Bea") for ordinal in range(4)]
    chosen = choose([*prolific, *sparing], 10, seed=1)
    assert Counter(chunk.author for chunk in chosen) == {"Ada": 6, "Bea": 4}
    assert Counter(chunk.document_id for chunk in chosen) == {"p0": 2, "p1": 2, "p2": 2, "s": 4}


@given(st.permutations(range(12)), st.integers(0, 15), st.integers())
def test_the_choice_does_not_depend_on_the_order_of_passages(order: list[int], cap: int, seed: int) -> None:
    chunks = [a_chunk(f"d{number % 4}", number, author=f"author {number % 2}") for number in range(12)]
    chosen = choose([chunks[index] for index in order], cap, seed)
    assert chosen == choose(chunks, cap, seed)
    assert len({chunk.id for chunk in chosen}) == len(chosen) == min(cap, 12)


def test_what_others_said_is_no_answer_and_goes_with_the_words_that_lead_to_it() -> None:
    quote = "> People say a lot of things,\n> and this is one of them."
    assert answer_of(f"{PROSE} As she put it:\n\n{quote}\n\n{PROSE}") == f"{PROSE}\n\n{PROSE}"
    assert answer_of(f"I read this:\n\n{quote}\n\n> {PROSE}") is None
    spoken = f"He wrote to me. “{PROSE.replace(chr(10), ' ')}” That was all. I agreed."
    assert answer_of(spoken) is None
    fenced = f"{PROSE}\n\n```\n> a prompt that is code\n```"
    assert answer_of(fenced) == fenced


def test_pictures_headings_and_torn_sentences_are_no_part_of_an_answer() -> None:
    assert answer_of(f"## One machine\n\n### Why\n\n{PROSE}") == PROSE
    assert answer_of(f"```python\nx = 1\n```\n    y = 2\n\n{PROSE}") == PROSE
    assert answer_of(f'{PROSE}\n\n<img width="5" src="a.png">\n\n![a plot](b.png)') == PROSE
    assert answer_of(f"came to nothing after all. {PROSE}") == PROSE
    assert answer_of(f"libxml2 came to nothing. {PROSE}") == f"libxml2 came to nothing. {PROSE}"
    assert answer_of(f"{PROSE} Here is how:") == PROSE


def test_code_without_a_fence_and_program_output_are_not_prose() -> None:
    code = "class Sink(Base): def __init__(self, client: Client, name: str): self._client = client; self.x = {1: [2]}. "
    assert answer_of(code * 5 + "That is it. It works.") is None
    output = "\n".join(f"$ run --number {number} and see. It prints a line." for number in range(12))
    assert answer_of(f"{output}\n\nThat is all. It works.") is None


def test_an_answer_ends_with_a_whole_sentence_or_as_its_author_ends_all_of_them() -> None:
    assert answer_of(f"{PROSE}\n\n* * *\n\n### What comes next") == PROSE
    assert answer_of(f"{PROSE} And for this page, we have") == PROSE
    listed = f"{PROSE}\n\n- it was cheaper\n- it was known"
    assert answer_of(listed) == listed
