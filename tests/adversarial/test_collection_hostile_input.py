"""Hostile documents: none of them may crash the collection, hang it, or take its memory."""

from __future__ import annotations

import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin import cleaning, collection
from twin.records import Document, Rejected, Withheld
from twin.settings import SourceSettings, read

if TYPE_CHECKING:
    from pathlib import Path

MEGABYTE = 1_000_000


def collect_file(path: Path) -> Document | Rejected | Withheld:
    [outcome] = list(collection.look(collection.detect(str(path), "Ada"), read(SourceSettings)))
    return outcome


YAML_BOMB = "---\ntitle: t\na: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MARKDOWN = {
    "yaml-bomb": f"{YAML_BOMB}---\ntext\n",
    "yaml-object": "---\ntitle: !!python/object/apply:os.system ['true']\n---\ntext\n",
    "yaml-deep": "---\ntitle: " + "[" * 20_000 + "\n---\ntext\n",
    "unclosed-front-matter": "---\ntitle: x\n" * 50_000,
    "fences": "```\n" * 200_000,
    "bullets": "* \n" * 200_000,
    "brackets": "[" * MEGABYTE,
    "one-line": "a " * (MEGABYTE // 2),
    "blank-lines": "\n" * MEGABYTE,
    "spaces": " " * MEGABYTE + "x",
    "joiners": "\u200d" * MEGABYTE,
    "combining": "a" + "\u0301" * 200_000,
    "page-frame": "Open in appSign up" * 50_000,
    "rules": "* * * * * *" * 100_000,
    "rule-then-text": "*" * 200_000 + "x",
    "private-keys": "-----BEGIN RSA PRIVATE KEY-----\n" * 30_000,
    "discussions": "#### Discussion about this post\n" * 30_000,
}


@pytest.mark.parametrize("name", MARKDOWN)
def test_hostile_markdown_is_collected_and_cleaned_in_bounded_time(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.md").write_text(MARKDOWN[name], encoding="utf-8")
    start = time.process_time()
    outcome = collect_file(tmp_path / "a.md")
    if isinstance(outcome, Document):
        cleaned = cleaning.clean(outcome)
        assert len(cleaned.content) <= len(outcome.content)
    assert time.process_time() - start < 10


HTML = {
    "deep": "<div>" * 20_000 + "text",
    "attributes": "<p " + "a=b " * 100_000 + ">text</p>",
    "entities": "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><p>&b;</p>",
    "external": "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><html><body><p>&a;</p></body></html>",
    "nothing": "<html></html>",
    "not-html": "just words",
    "code-marks": "<p>TWINCODEBLOCK99KCOLBEDOCNIWT and TWINCODEBLOCK0KCOLBEDOCNIWT, as text of the page itself.</p>",
    "surrogates": "<p>&#xD800; a paragraph of text that is long enough to be kept by anyone.</p>",
    "nul": "<p>a&#0;b, a paragraph of text that is long enough to be kept by anyone who reads.</p>",
}


@pytest.mark.parametrize("name", HTML)
def test_hostile_html_is_a_document_or_a_rejection_in_bounded_time(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.html").write_text(HTML[name], encoding="utf-8")
    start = time.process_time()
    outcome = collect_file(tmp_path / "a.html")
    assert time.process_time() - start < 15
    if isinstance(outcome, Document):
        assert "root:" not in outcome.content
        outcome.content.encode("utf-8")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=2_000), name=st.sampled_from(["a.md", "a.html", "a.txt"]))
def test_any_bytes_are_a_document_or_a_rejection(tmp_path: Path, data: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    outcome = collect_file(tmp_path / name)
    if isinstance(outcome, Document):
        cleaning.clean(outcome).content.encode("utf-8")
    else:
        assert outcome.reason


def test_a_large_json_lines_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    line = b'{"url": "https://example.org/%d", "author": "Ada", "content": "' + b"text " * 2_000 + b'"}\n'
    with path.open("wb") as file:
        for number in range(4_000):  # 40 MB
            file.write(line % number)
    tracemalloc.start()
    count = sum(
        isinstance(item, Document) for item in collection.look(collection.detect(str(path)), read(SourceSettings))
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 4_000
    assert peak < 2 * MEGABYTE
