"""Chunking with the real tokenizer: nothing lost, nothing too long, structure kept."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twin.features import chunking, embedding
from twin.records import Chunk, CleanedDocument, chunk_id
from twin.settings import EmbeddingSettings, read

EMBEDDER = embedding.load(read(EmbeddingSettings))


def document(content: str, title: str = "A title", **fields: Any) -> CleanedDocument:
    described: dict[str, Any] = {"id": "doc", "url": "https://a.example/1", "author": "Ada", **fields}
    return CleanedDocument(title=title, content=content, source_id="s", raw_hash="h", **described)


def split(content: str, title: str = "A title", **fields: Any) -> list[Chunk]:
    return chunking.split(document(content, title, **fields), EMBEDDER)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def prose(words: int, name: str = "word") -> str:
    return " ".join(f"{name}{number % 7}" + ("." if number % 12 == 11 else "") for number in range(words))


def covered(line: str, texts: list[str]) -> bool:
    """Whether the line stands in one passage, or begins at the end of one and goes on in the following ones."""
    return any(line in text for text in texts) or any(continued(line, texts[start:]) for start in range(len(texts)))


def continued(line: str, texts: list[str]) -> bool:
    for text in texts:
        if line in text:
            return True
        taken = next((size for size in range(min(len(line), len(text)), 0, -1) if text.endswith(line[:size])), 0)
        if not taken:
            return False
        line = line[taken:]
    return not line


WORDS = st.text(st.characters(exclude_categories=["Cs", "Zs"], exclude_characters="\r\n\0"), min_size=1, max_size=12)
BLOCKS = st.one_of(
    st.lists(WORDS, min_size=1, max_size=60).map(" ".join),
    st.builds(lambda level, words: f"{'#' * level} {' '.join(words)}", st.integers(1, 6), st.lists(WORDS, max_size=12)),
    st.lists(WORDS, min_size=1, max_size=12).map(lambda items: "\n".join(f"- {item}" for item in items)),
    st.lists(WORDS, min_size=1, max_size=40).map(lambda lines: "```py\n" + "\n".join(lines) + "\n```"),
    st.builds(lambda word, times: word * times, WORDS, st.integers(1, 900)),
    st.lists(WORDS, min_size=1, max_size=60).map(
        lambda words: " ".join(f"[{word}](https://x.example/{word})" for word in words)
    ),
    st.sampled_from(
        ["Title\n===", "> quoted\n> lines", "| a | b |\n|---|---|\n| 1 | 2 |", "[ref]: http://x.example", "---"]
    ),
)
DOCUMENTS = st.lists(BLOCKS, max_size=14).map("\n\n".join)


@settings(max_examples=150, deadline=None)
@given(content=DOCUMENTS, title=st.lists(WORDS, max_size=60).map(" ".join))
@example(content="# One\n\n## Two\n\n### Three", title="")
@example(content="#\n\ntext", title="x")
@example(content="word " * 2000, title="long " * 400)
def test_no_text_is_lost_and_no_input_exceeds_the_model(content, title):
    chunks = split(content, title)
    for chunk in chunks:
        assert chunk.text.strip()
        assert chunk.token_count == EMBEDDER.count_tokens(chunk.embedding_text) <= EMBEDDER.max_tokens
    texts = [squeezed(chunk.text) for chunk in chunks]
    shown = {squeezed(heading) for chunk in chunks for heading in chunk.heading_path}
    for line in content.split("\n"):
        if not squeezed(line):
            continue
        heading = re.fullmatch(r" {0,3}#{1,6}(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*", line)
        if heading and squeezed(heading[1] or "") in shown:
            continue
        if line == "===":
            continue  # underlines the heading above it
        if line == "Title" and "Title" in shown:
            continue
        assert covered(squeezed(line), texts), line


@settings(max_examples=60, deadline=None)
@given(
    paragraphs=st.lists(st.lists(WORDS, min_size=1, max_size=80).map(lambda words: "x " + " ".join(words)), max_size=12)
)
def test_the_passages_of_plain_paragraphs_join_to_the_document(paragraphs):
    content = "\n\n".join(paragraphs)
    assert squeezed("".join(chunk.text for chunk in split(content))) == squeezed(content)


def test_ids_follow_from_document_revision_and_position():
    chunks = split(prose(900), revision=3)
    assert len(chunks) > 2
    assert [chunk.id for chunk in chunks] == [chunk_id("doc", 3, ordinal) for ordinal in range(len(chunks))]
    assert chunks == split(prose(900), revision=3)


def test_headings_become_the_path_and_leave_the_text():
    content = f"# Guide\n\n{prose(60)}\n\n## Setup\n\n{prose(60)}\n\n### Linux\n\n{prose(60)}\n\n## Use\n\n{prose(60)}"
    chunks = split(content, title="Guide")
    assert [chunk.heading_path for chunk in chunks] == [
        ["Guide"],
        ["Guide", "Setup"],
        ["Guide", "Setup", "Linux"],
        ["Guide", "Use"],
    ]
    assert all("#" not in chunk.text for chunk in chunks)
    assert chunks[2].embedding_text.startswith("Guide > Setup > Linux\n\n")


def test_where_links_lead_takes_no_room_and_is_not_embedded():
    linked = " ".join(f"[{word}](https://example.com/a/long/address?{word}=1)" for word in prose(30).split())
    (chunk,) = split(f"# Links\n\n{linked}")
    assert "https://example.com/a/long/address?word0=1" in chunk.text
    assert "example.com" not in chunk.embedding_text
    assert "[word0] [word1]" in chunk.embedding_text
    assert chunk.token_count < EMBEDDER.max_tokens


def test_a_heading_inside_a_code_block_is_code():
    chunks = split(f"# Real\n\n```sh\n# not a heading\nmake\n```\n\n{prose(50)}")
    assert {tuple(chunk.heading_path) for chunk in chunks} == {("Real",)}
    assert "# not a heading" in chunks[0].text


def test_a_code_block_that_fits_stays_whole():
    code = "```python\n" + "\n".join(f"value_{number} = {number}" for number in range(24)) + "\n```"
    chunks = split(f"{prose(150)}\n\n{code}\n\n{prose(150)}")
    assert any(code in chunk.text for chunk in chunks)


def test_small_sections_join_their_siblings_with_their_headings_in_the_text():
    content = "# FAQ\n\n" + "\n\n".join(f"## Question {number}\n\nAnswer {number}." for number in range(6))
    chunks = split(content)
    assert len(chunks) == 1
    assert chunks[0].heading_path == ["FAQ"]
    assert "## Question 3\n\nAnswer 3." in chunks[0].text


def test_small_sections_under_different_headings_stay_apart():
    content = "# A\n\n## A1\n\nOne.\n\n# B\n\n## B1\n\nTwo."
    assert [chunk.heading_path for chunk in split(content)] == [["A", "A1"], ["B", "B1"]]


def test_a_long_section_is_cut_into_passages_of_even_size():
    sizes = [chunk.token_count for chunk in split("\n\n".join(prose(40) for _ in range(12)))]
    assert len(sizes) > 2
    assert min(sizes) > 0.6 * max(sizes)


def test_a_long_paragraph_is_cut_between_sentences():
    chunks = split(prose(600))
    assert all(chunk.text.endswith(".") for chunk in chunks[:-1])


def test_a_word_of_ten_thousand_characters_is_cut_not_hidden():
    chunks = split("x" * 10_000)
    assert "".join(chunk.text for chunk in chunks) == "x" * 10_000
    assert len(chunks) > 10


def test_the_time_for_a_text_without_boundaries_grows_with_its_length():
    def seconds(characters: int) -> float:
        started = time.process_time()
        split("ab1" * (characters // 3))
        return time.process_time() - started

    seconds(3_000)
    assert seconds(24_000) < 20 * seconds(6_000)


def test_a_table_is_cut_between_rows():
    rows = [f"| row {number} | Some. Words with. Full stops. |" for number in range(60)]
    chunks = split("\n".join(["| a | b |", "|---|---|", *rows]))
    assert len(chunks) > 1
    assert [line for chunk in chunks for line in chunk.text.splitlines()][2:] == rows


def test_a_heading_longer_than_the_model_is_shortened_in_the_path_and_kept_in_the_text():
    heading = prose(400)
    chunks = split(f"# {heading}\n\nShort body.")
    assert squeezed(heading) in squeezed("".join(chunk.text for chunk in chunks))
    assert chunks[0].heading_path[0].endswith("…")
    assert "Short body." in chunks[-1].text


def test_windows_line_ends_do_not_hide_structure():
    assert split("# A\r\n\r\nText one.\r\n") == split("# A\n\nText one.\n")


@pytest.mark.parametrize("content", ["", " \n\t\n ", "\n\n\n"])
def test_a_document_without_text_has_no_passages(content):
    assert split(content) == []


def test_repository_documents_are_cut_by_the_same_rules():
    content = (
        "# repo/module.py\n\n```python\n" + "\n".join(f"def f{n}():\n    return {n}\n" for n in range(80)) + "\n```"
    )
    chunks = split(content, kind="repository", platform="github.com")
    assert len(chunks) > 1
    assert {(chunk.kind, chunk.platform) for chunk in chunks} == {("repository", "github.com")}
    assert all(chunk.text.splitlines()[-1].startswith(("    return", "def", "```")) for chunk in chunks)
