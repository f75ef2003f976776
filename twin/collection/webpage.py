"""HTML to markdown with its title, author, date and language, headings and code blocks kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from twin.collection.base import parse_date
from twin.errors import SourceFailed

if TYPE_CHECKING:
    from datetime import datetime

    from lxml.html import HtmlElement

__all__ = ["Page", "declared_charset", "fenced", "read"]

CODE_MARK = "TWINCODEBLOCK{}KCOLBEDOCNIWT"
CODE_MARK_FOUND = re.compile(
    r"^[^\S\n]*TWINCODEBLOCK(\d+)KCOLBEDOCNIWT[^\S\n]*$|TWINCODEBLOCK(\d+)KCOLBEDOCNIWT", re.MULTILINE
)
META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{2,40})", re.IGNORECASE)
CODE_LANGUAGE = re.compile(r"\b(?:language|lang|highlight(?:-source)?|sourceCode|brush:)[- ]([A-Za-z0-9+#_-]{1,20})")
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a web page says."""

    content: str
    """Markdown."""
    title: str | None
    author: str | None
    published_at: datetime | None
    language: str | None
    canonical: str | None
    """`<link rel="canonical">` as written; it may be relative, and it may lie."""


def declared_charset(data: bytes) -> str | None:
    """The encoding that an HTML page declares in its first 2 KiB."""
    found = META_CHARSET.search(data[:2_048])
    return found[1].decode("ascii") if found else None


def read(html: str, url: str | None = None) -> Page:
    """The main content of an HTML page: no navigation, footer or comments.

    Raises:
        SourceFailed: It is not HTML, or nothing in it reads like an article.
    """
    import trafilatura
    from trafilatura.metadata import extract_metadata
    from trafilatura.utils import load_html

    tree = load_html(html)
    if tree is None:
        raise SourceFailed("it is not readable as HTML")
    language, canonical = _declared(tree)
    blocks = _set_code_aside(tree)
    metadata = extract_metadata(tree, default_url=url, date_config={"original_date": True, "extensive_search": False})
    markdown = trafilatura.extract(
        tree,
        url=url,
        output_format="markdown",
        include_comments=False,
        include_tables=True,
        include_formatting=True,
        favor_recall=True,
    )
    if not markdown or not markdown.strip():
        raise SourceFailed("nothing in it reads like an article: its text may be made by JavaScript")
    return Page(
        content=_put_code_back(markdown, blocks),
        title=metadata.title,
        author=_one_author(metadata.author),
        published_at=parse_date(metadata.date),
        language=language,
        canonical=canonical,
    )


def _declared(tree: HtmlElement) -> tuple[str | None, str | None]:
    """The page's language and canonical URL, as its head says."""
    tag = (tree.get("lang") or "").strip()
    language = tag.replace("_", "-").lower() if LANGUAGE_TAG.fullmatch(tag) else None
    links = tree.xpath('//link[translate(@rel, "CANOIL", "canoil")="canonical"]/@href')
    return language, (str(links[0]) if links else None)


def _set_code_aside(tree: HtmlElement) -> list[str]:
    """Replaces each `<pre>` by a mark and returns the blocks as fenced markdown.

    trafilatura drops blank lines and the language of code; a mark passes through it unharmed.
    """
    from lxml.html import Element

    blocks: list[str] = []
    for block in list(tree.iter("pre")):
        parent = block.getparent()
        if parent is None:
            continue
        mark = Element("p")
        mark.text = CODE_MARK.format(len(blocks))
        mark.tail = block.tail
        blocks.append(fenced(_text_of(block), _code_language(block)))
        parent.replace(block, mark)
    return blocks


def _text_of(block: HtmlElement) -> str:
    for line_break in block.iter("br"):
        line_break.tail = "\n" + (line_break.tail or "")
    return block.text_content().strip("\n")


def _code_language(block: HtmlElement) -> str:
    parent = block.getparent()
    for element in (block, *block.iter("code"), *([parent] if parent is not None else [])):
        if found := CODE_LANGUAGE.search(element.get("class") or ""):
            return found[1].lower()
    return ""


def fenced(code: str, language: str) -> str:
    """A fenced markdown code block, with a fence that nothing in the code closes."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"


def _put_code_back(markdown: str, blocks: list[str]) -> str:
    def block(mark: re.Match[str]) -> str:
        number = int(mark[1] or mark[2])
        return f"\n{blocks[number]}\n" if number < len(blocks) else ""

    return CODE_MARK_FOUND.sub(block, markdown)


def _one_author(names: str | None) -> str | None:
    """The first of the names that trafilatura joins by `;`."""
    first = (names or "").split(";")[0]
    return " ".join(first.split()) or None
