"""The handbook holds together: its links and paths lead somewhere, and every page can be found from the first one."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DOCS = PROJECT / "docs"
INDEX = DOCS / "index.md"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\[[^\]\[]*\]\(\s*<?([^)\s>]+)")
PATH_IN_CODE = re.compile(r"`((?:app|assets|benchmarks|llm_twin_dagster|resources|sensors|tests|twin)/[\w./]*)`")
PATH = re.compile(r"(?:app|assets|benchmarks|llm_twin_dagster|resources|sensors|tests|twin)/[\w./]*")
BOX = ("code", "settings", "commands")
"""What the front matter of a concept's page says of where the concept is."""
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


FRONT_MATTER_LINE = re.compile(r"^(\w+): (.+)$", re.MULTILINE)
SETTINGS = (DOCS / "reference" / "settings.md").read_text("utf-8")
ASSETS = set(
    re.findall(r"^def (\w+)\(", "".join(f.read_text("utf-8") for f in (PROJECT / "assets").glob("*.py")), re.M)
)


def front_matter(page: Path) -> str:
    """What stands between the two lines of dashes at the beginning of a page."""
    _, between, _ = page.read_text("utf-8").split("---\n", 2)
    return between


class Link(NamedTuple):
    page: Path
    target: Path
    anchor: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(PROJECT)} -> {self.target}#{self.anchor}"


def prose(text: str) -> str:
    """A page without its code, where brackets are no links and # is no heading."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def links(page: Path) -> list[Link]:
    """Those of a page that lead to files of this project."""
    targets = [urlsplit(target) for target in LINK.findall(prose(page.read_text("utf-8")))]
    return [
        Link(page, (page.parent / unquote(target.path)).resolve() if target.path else page, target.fragment)
        for target in targets
        if not target.scheme and not target.netloc
    ]


def anchors(page: Path) -> set[str]:
    """What GitHub names the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


@pytest.mark.parametrize("page", [*PAGES, PROJECT / "README.md"], ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_to_a_file_and_a_heading_in_it(page: Path) -> None:
    found = links(page)
    assert [str(link) for link in found if not link.target.exists()] == []
    to_headings = [link for link in found if link.anchor]
    assert [str(link) for link in to_headings if link.anchor not in anchors(link.target)] == []


@pytest.mark.parametrize("page", [*PAGES, PROJECT / "README.md"], ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_path_of_code_that_a_page_names_is_there(page: Path) -> None:
    named = PATH_IN_CODE.findall(page.read_text("utf-8"))
    assert [path for path in named if not (PROJECT / path).exists()] == []


@pytest.mark.parametrize("page", sorted((DOCS / "concepts").glob("*.md")), ids=lambda page: page.stem)
def test_the_box_of_a_concept_names_code_that_is_there(page: Path) -> None:
    box = {key: value for key, value in FRONT_MATTER_LINE.findall(front_matter(page)) if key in BOX}
    if page.stem in ("glossary", "rooms"):  # of the whole project, and not of one place in it
        assert box == {}
        return
    assert tuple(box) == BOX
    assert [path for path in PATH.findall(box["code"]) if not (PROJECT / path).exists()] == []
    assert set(re.findall(r"asset (\w+)", box["code"])) <= ASSETS
    assert [name for name in re.findall(r"[A-Z][A-Z_]{3,}", box["settings"]) if name not in SETTINGS] == []


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, waiting = {INDEX}, [INDEX]
    while waiting:
        new = {link.target for link in links(waiting.pop()) if link.target.suffix == ".md"} - reached
        reached |= new
        waiting += new
    assert [str(page.relative_to(DOCS)) for page in PAGES if page not in reached] == []


def test_the_index_lists_every_page_once() -> None:
    listed = Counter(link.target for link in links(INDEX))
    assert {str(page.relative_to(DOCS)): listed[page] for page in PAGES if page != INDEX and listed[page] != 1} == {}


def test_a_link_in_code_is_no_link_and_a_broken_one_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A (b), c's\n\n[here](#a-b-cs) and [gone](gone.md#x), `[no](no.md)`\n\n```\n[no](no.md)\n```\n")
    assert links(page) == [Link(page, page, "a-b-cs"), Link(page, tmp_path / "gone.md", "x")]
    assert anchors(page) == {"a-b-cs"}
