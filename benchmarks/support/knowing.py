"""The four corpora of `benchmarks/knowing.py` and what each is asked: by hand, in a reader's own words."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from support import PROJECT, handbook
from support.xquad import documents_of
from twin import cleaning
from twin.collection.files.frontmatter import split as split_frontmatter
from twin.records import Document, document_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from twin.records import CleanedDocument

__all__ = ["ANSWERABLE", "KINDS", "TUNED_ON", "Asked", "corpora", "pages", "questions"]

QUESTIONS = PROJECT / "benchmarks" / "questions" / "knowing"
TUNED_ON = ("handbook", "xquad")
"""The corpora on which the decision was tuned; what the others say is reported."""
KINDS = ("answerable", "long", "rare word", "other language", "near", "false premise", "off topic", "personal")
ANSWERABLE = KINDS[:4]
REPOSITORY = "https://github.com/encode/httpx"
COMMIT = "ae1b9f66238f75ced3ced5e4485408435de10768"


class Asked(NamedTuple):
    """A question of the benchmark."""

    text: str
    kind: str
    language: str = "en"


def corpora(shared: Path, repository: str = REPOSITORY) -> dict[str, list[CleanedDocument]]:
    """The documents of each corpus that can be had here: two of `shared`, one of git, one of another repository."""
    found: dict[str, list[CleanedDocument]] = {"handbook": list(pages(handbook()))}
    for name, folder, file in (
        ("xquad", "xquad-en", "documents.jsonl"),
        ("articles", "llm-engineers-handbook", "articles.jsonl"),
    ):
        if (path := shared / folder / file).exists():
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            found[name] = list(documents_of(rows))
    if docs := _docs_of(repository):
        found["httpx"] = docs
    return found


def questions(corpus: str) -> list[Asked]:
    """Everything that a corpus is asked, what all of them are asked included."""
    own, shared = (json.loads((QUESTIONS / f"{name}.json").read_text("utf-8")) for name in (corpus, "off-topic"))
    return [_asked(one, kind) for kind in KINDS for one in (own | shared).get(kind, [])]


def pages(folder: Path) -> Iterator[CleanedDocument]:
    """The markdown files under a folder as cleaned documents."""
    for path in sorted(folder.rglob("*.md")):
        yield _page(str(path.relative_to(folder)), path.read_text("utf-8"))


def _asked(one: str | Sequence[str], kind: str) -> Asked:
    return Asked(one, kind) if isinstance(one, str) else Asked(one[1], kind, one[0])


def _page(name: str, text: str) -> CleanedDocument:
    front, content = split_frontmatter(text)
    return cleaning.clean(
        Document(
            id=document_id(name),
            url=name,
            source_id="benchmark",
            author="us",
            title=front.title or name,
            content=content,
        )
    )


def _docs_of(repository: str) -> list[CleanedDocument]:
    """The docs of `REPOSITORY` as they were in `COMMIT`; nothing where neither a clone nor the network has them."""
    cache = PROJECT / "benchmarks" / "results" / "httpx.git"
    if not cache.exists():
        clone = ["git", "clone", "--quiet", "--bare", repository, str(cache)]
        if subprocess.run(clone, check=False).returncode != 0:
            return []
    names = _git(cache, "ls-tree", "-r", "--name-only", COMMIT, "docs").splitlines()
    return [_page(name, _git(cache, "show", f"{COMMIT}:{name}")) for name in names if name.endswith(".md")]


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout
