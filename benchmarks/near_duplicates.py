"""Whether copies are told from other documents: pairs of real articles, and copies made of them.

    python benchmarks/near_duplicates.py [FILE.jsonl | FOLDER]

Each article is dressed up as another platform, or an author, would do it. Recall: of the copies of each sort, those
that are linked to their article. Precision: of all pairs of different articles, those that are kept apart. Every
comparison runs through the warehouse and its index, as in production. "Different on purpose" are texts that share much
with an article and must stay.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from support import handbook

from twin import cleaning, collection
from twin.cleaning.linking import link
from twin.records import Document, document_id
from twin.settings import SourceSettings, read
from twin.warehouse import Warehouse, mongod

if TYPE_CHECKING:
    from collections.abc import Callable

INTRODUCTION = (
    "*This article was first published elsewhere, some time before. I have left it here for the readers of this place.*"
)
FOOTER = (
    "That is all. If it was of use to you, tell somebody; if not, tell me. A longer edition is in the works, and slow."
)
FILLER = ("engine", "loom", "weaver", "pattern", "thread", "needle", "cloth", "yarn", "spindle", "wheel", "flower")
MARKUP = re.compile(r"(?<!\w)[*_`]+|[*_`]+(?!\w)|^#+ |^> ", re.MULTILINE)


def edited(share: float) -> Callable[[str, random.Random], str]:
    """One word in so many is another one."""

    def change(text: str, rng: random.Random) -> str:
        words = re.split(r"(\s+)", text)
        return "".join(rng.choice(FILLER) if word.isalpha() and rng.random() < share else word for word in words)

    return change


def part(share: float) -> Callable[[str, random.Random], str]:
    """The first part of the text alone."""
    return lambda text, rng: text[: int(len(text) * share)].rsplit(" ", 1)[0]


def with_more(share: float) -> Callable[[str, random.Random], str]:
    """So much new text after it."""

    def change(text: str, rng: random.Random) -> str:
        return text + "\n\n" + " ".join(rng.choices(FILLER, k=int(len(text.split()) * share)))

    return change


COPIES: dict[str, Callable[[str, random.Random], str]] = {
    "another case and blank space": lambda text, rng: text.upper().replace("\n\n", "\n\n\n"),
    "introduction and footer": lambda text, rng: f"{INTRODUCTION}\n\n{text}\n\n{FOOTER}",
    "markup lost": lambda text, rng: MARKUP.sub("", text),
    "blanks between paragraphs lost": lambda text, rng: "".join(part.replace("\n", " ") for part in text.split("\n\n")),
    "other image and link addresses": lambda text, rng: re.sub(
        r"\]\([^)]*\)", f"](https://cdn.example.net/{rng.random()})", text
    ),
    "1 word in 200 edited": edited(0.005),
    "1 word in 100 edited": edited(0.01),
    "1 word in 50 edited": edited(0.02),
    "a tenth appended": with_more(0.1),
    "last tenth missing": part(0.9),
    "preview of 70%": part(0.7),
}
DIFFERENT: dict[str, Callable[[str, random.Random], str]] = {
    "1 word in 10 edited": edited(0.1),
    "as much again appended": with_more(1.0),
    "first quarter alone": part(0.25),
}


def main(location: str) -> None:
    """Prints recall for each sort of copy, and the pairs that were linked wrongly."""
    items = collection.look(collection.detect(location, "benchmark"), read(SourceSettings))
    articles = [cleaning.clean(item) for item in items if isinstance(item, Document)]
    print(f"{len(articles)} articles from {location}")
    with tempfile.TemporaryDirectory() as folder, mongod.start(Path(folder)) as server:
        links = _links(server.uri, "articles", articles)
        pairs = len(articles) * (len(articles) - 1) // 2
        print(f"of {pairs} pairs of articles, linked: {len(links)}")
        by_id = {article.id: article for article in articles}
        for copy, original in links.items():
            print(f"    {by_id[copy].url}\n        as {by_id[original].url}")
        alone = [article for article in articles if article.id not in links]
        for title, kinds in (("copies, linked to their article", COPIES), ("different on purpose, kept", DIFFERENT)):
            print(f"\n{title}:")
            for name, change in kinds.items():
                _print_kind(server.uri, name, change, alone, wanted=kinds is COPIES)


def _print_kind(
    uri: str, name: str, change: Callable[[str, random.Random], str], articles: list, *, wanted: bool
) -> None:
    rng = random.Random(0)
    made = {}
    for article in articles:
        url = f"{article.url}#copy"
        text = change(article.content, rng)
        made[document_id(url)] = (
            article.id,
            msgspec.structs.replace(article, id=document_id(url), url=url, content=text),
        )
    copies = [
        cleaning.clean(Document(**{f: getattr(one, f) for f in Document.__struct_fields__})) for _, one in made.values()
    ]
    found = _links(uri, re.sub(r"\W", "_", name), [*articles, *copies])
    groups = {one.id: found.get(one.id, one.id) for one in [*articles, *copies]}
    right = sum(groups[copy] == groups[original] for copy, (original, _) in made.items())
    wrong = sum(groups[copy] not in (copy, original, groups[original]) for copy, (original, _) in made.items())
    share = right / len(made) if wanted else 1 - right / len(made)
    print(f"    {name:34} {share:7.3f}   linked to another article: {wrong}")


def _links(uri: str, database: str, documents: list) -> dict[str, str]:
    with Warehouse(uri, database) as warehouse:
        warehouse.cleaned.write((document, document.raw_hash) for document in documents)
        link(warehouse.copies)
        stored = warehouse.cleaned.read([document.id for document in documents])
        return {one.id: one.duplicate_of for one in stored if one.duplicate_of}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("location", nargs="?", default=str(handbook()))
    main(parser.parse_args().location)
