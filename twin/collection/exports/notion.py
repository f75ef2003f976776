"""Pages as Notion exports them: ids in the names of files and in links, and properties as lines above the text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from twin.collection.collector import Draft
from twin.collection.pages import markup
from twin.text.dates import parse_date
from twin.text.headings import HEADING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import PurePath

    from lxml.html import HtmlElement

    from twin.collection.withheld.pieces import Markup

__all__ = ["PLATFORM", "Properties", "is_database", "page_id", "read_html", "read_markdown"]

PLATFORM = "notion.so"
NAMED = re.compile(r"(?P<title>.*\S) (?P<id>[0-9a-f]{32})(?:_all)?", re.DOTALL)
"""A name that is an id alone is somebody else's hash: Notion calls a page without a title `Untitled`."""
PROPERTY = re.compile(r"(?P<name>[^\W\d_][\w /()&'-]{0,60}): (?P<value>.*)")
MAX_PROPERTIES = 100
LINK = re.compile(
    r"(?<!!)\[(?P<text>[^\[\]\n]{0,500})\]\((?P<target>[^()\s]{1,2000}(?:\([^()\s]{0,200}\)[^()\s]{0,2000})?)\)"
)
IMAGE = re.compile(r"!\[[^\[\]\n]{0,500}\]\((?!https?:)[^()\n]{1,2000}(?:\([^()\n]{0,200}\)[^()\n]{0,2000})?\)")
WRITTEN_TIME = re.compile(r"^(.*?\d{4})[ ,]+\d{1,2}:\d{2}(?: ?[AP]M)?(?: *\(.{1,20}\))?$")
AUTHORS = ("author", "authors", "created by", "owner", "writer")
DATES = ("date", "published", "publish date", "published at", "publication date", "created", "created time")
LANGUAGES = ("language", "lang")


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """What a page's properties say of it."""

    author: str | None = None
    published_at: datetime | None = None
    language: str | None = None
    fields: dict[str, object] = {}
    """All of them, by name in lower case."""


def page_id(path: PurePath) -> tuple[str, str] | None:
    """The title and id in a file's name, None when Notion did not name it."""
    found = NAMED.fullmatch(path.stem)
    return (" ".join(found["title"].split()), found["id"]) if found else None


def is_database(path: PurePath) -> bool:
    """Whether a file is a table of pages that are exported on their own."""
    return path.suffix.lower() == ".csv" and page_id(path) is not None


def read_markdown(markdown: str, path: PurePath) -> Draft:
    """The page in a markdown export; its file must be named by Notion."""
    title, identity = page_id(path) or (path.stem, "")
    heading, said, content = _split(markdown)
    content = IMAGE.sub("", content)
    return _draft(heading or title, identity, said, LINK.sub(_link, content).strip() + "\n", "markdown")


def read_html(html: str, path: PurePath) -> Draft:
    """The page in an HTML export; its file must be named by Notion.

    Raises:
        SourceFailed: It is not readable as HTML.
    """
    title, identity = page_id(path) or (path.stem, "")
    tree = markup.parse(html)
    heading = _first(tree, "page-title")
    title = markup.text_of(heading) or markup.text_of(tree.find(".//title")) or title
    table = _first(tree, "properties")
    said = _properties(_rows(table)) if table is not None else Properties()
    for element in (heading, table, _first(tree, "page-header-icon")):
        if element is not None:
            element.drop_tree()
    for link in tree.iter("a"):
        link.set("href", _target(link.get("href") or "") or "")
    return _draft(title, identity, said, markup.to_markdown(tree), "page")


def _draft(title: str, identity: str, said: Properties, content: str, written: Markup) -> Draft:
    return Draft(
        url=f"https://www.notion.so/{identity}",
        title=title,
        content=content if content.strip() else "",
        author=said.author,
        platform=PLATFORM,
        published_at=said.published_at,
        language=said.language,
        markup=written,
        said=said.fields,
    )


def _split(markdown: str) -> tuple[str | None, Properties, str]:
    """The title, the properties below it, and the text; the title stays in the text."""
    lines = markdown.lstrip("\ufeff\r\n").split("\n")
    heading = HEADING.match(lines[0].rstrip("\r"))
    if not heading:
        return None, Properties(), markdown
    rest = lines[1:]
    start = next((number for number, line in enumerate(rest) if line.strip()), len(rest))
    end = start
    while end < len(rest) and end - start < MAX_PROPERTIES and PROPERTY.fullmatch(rest[end].rstrip("\r")):
        end += 1
    found = [match for line in rest[start:end] if (match := PROPERTY.fullmatch(line.rstrip("\r")))]
    said = {match["name"].lower(): match["value"] for match in found}
    # Properties end with a blank line; a paragraph that merely starts with "Note: ..." runs on
    is_block = bool(found) and (end == len(rest) or not rest[end].strip())
    if not is_block:
        return heading[1], Properties(), markdown
    return heading[1], _properties(said), "\n".join([lines[0], "", *rest[end:]])


def _properties(said: dict[str, str]) -> Properties:
    return Properties(
        author=next((name for key in AUTHORS if (name := _one(said.get(key)))), None),
        published_at=next((moment for key in DATES if (moment := _date(said.get(key)))), None),
        language=next((code for key in LANGUAGES if (code := said.get(key))), None),
        fields={**said},
    )


def _one(names: str | None) -> str | None:
    """The first of the names of a property, which are joined by commas."""
    return " ".join((names or "").split(",")[0].split()) or None


def _date(value: str | None) -> datetime | None:
    """Notion writes `March 1, 2024 10:00 AM`, `2024/03/01`, and ranges with an arrow."""
    first = (value or "").split("\u2192")[0].strip().removeprefix("@")
    timed = WRITTEN_TIME.match(first)
    return parse_date(timed[1] if timed else first)


def _link(found: re.Match[str]) -> str:
    target = _target(found["target"])
    return f"[{found['text']}]({target})" if target else found["text"]


def _target(link: str) -> str | None:
    """Where a link leads: for one to another page of the export, where that page is; None for other files of it."""
    if "://" in link or link.startswith(("mailto:", "#")):
        return link
    page = NAMED.fullmatch(unquote(link).rsplit("/", 1)[-1].rpartition(".")[0])
    return f"https://www.notion.so/{page['id']}" if page else None


def _first(tree: HtmlElement, name: str) -> HtmlElement | None:
    for element in tree.iter("h1", "table", "div"):
        if name in (element.get("class") or "").split():
            return element
    return None


def _rows(table: HtmlElement) -> dict[str, str]:
    pairs = [(markup.text_of(row.find(".//th")), markup.text_of(row.find(".//td"))) for row in table.iter("tr")]
    return {name.lower(): value for name, value in pairs if name and value}
