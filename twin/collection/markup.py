"""HTML that an author's own program exported, to markdown: all of it is text of theirs, so nothing is left out.

For pages of the web, which have frames around the text, see `twin.collection.webpage`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from twin.collection.webpage import fenced
from twin.errors import SourceFailed

if TYPE_CHECKING:
    from lxml.html import HtmlElement

__all__ = ["CODE_LANGUAGE", "parse", "text_of", "to_markdown"]

DROPPED = ("style", "script", "head", "template", "iframe", "object", "embed", "svg", "noscript", "form")
REDIRECTS = {("www.google.com", "/url"): "q", ("www.linkedin.com", "/redir/redirect"): "url"}
CODE_LANGUAGE = re.compile(r"\b(?:language|lang|highlight(?:-source)?)[- ]([A-Za-z0-9+#_-]{1,20})")
BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")
CODE_MARK = "TWINEXPORTCODE{}EDOCTROPXENIWT"
CODE_MARK_FOUND = re.compile(r"[ \t]*TWINEXPORTCODE(\d+)EDOCTROPXENIWT[ \t]*")


def parse(html: str) -> HtmlElement:
    """The element tree of an HTML text.

    Raises:
        SourceFailed: There is nothing in it that is HTML.
    """
    from lxml.html import HTMLParser, document_fromstring, etree

    try:
        # As bytes: lxml refuses text that also declares an encoding
        return document_fromstring(
            html.encode("utf-8", "replace"), parser=HTMLParser(encoding="utf-8", huge_tree=False, no_network=True)
        )
    except (etree.LxmlError, ValueError):
        raise SourceFailed("it is not readable as HTML") from None


def text_of(element: HtmlElement | None) -> str | None:
    """The text of an element with its blanks collapsed; None when there is none."""
    return (" ".join(str(element.text_content()).split()) or None) if element is not None else None


def to_markdown(tree: HtmlElement) -> str:
    """The markdown of an element tree, which is changed by this.

    Headings, lists, tables, links and code stay. Images go, as do styles; redirects that platforms put around links are
    taken off.

    Raises:
        SourceFailed: It is nested too deep to be a person's document.
    """
    from lxml.html import tostring
    from markdownify import markdownify

    for name in DROPPED:
        for element in list(tree.iter(name)):
            element.drop_tree()
    for link in tree.iter("a"):
        _take_redirect_off(link)
    blocks = _set_code_aside(tree)
    html = str(tostring(tree, encoding="unicode"))
    try:
        markdown = markdownify(
            html,
            heading_style="ATX",
            bullets="-",
            escape_asterisks=False,
            escape_underscores=False,
            strip=["img"],
        )
    except RecursionError:
        raise SourceFailed("its HTML is nested too deep to be read") from None
    markdown = BLANK_LINES.sub("\n\n", markdown.replace("\xa0", " ")).strip()
    return CODE_MARK_FOUND.sub(
        lambda mark: f"\n{blocks[int(mark[1])]}\n" if int(mark[1]) < len(blocks) else "", markdown
    )


def _take_redirect_off(link: HtmlElement) -> None:
    try:
        target = urlsplit(link.get("href") or "")
    except ValueError:
        return
    if parameter := REDIRECTS.get((target.netloc, target.path)):
        for url in parse_qs(target.query).get(parameter, [])[:1]:
            link.set("href", url)


def _set_code_aside(tree: HtmlElement) -> list[str]:
    """Replaces each `<pre>` by a mark, and returns the blocks as fenced markdown, byte for byte."""
    from lxml.html import Element

    blocks: list[str] = []
    for block in list(tree.iter("pre")):
        parent = block.getparent()
        if parent is None:
            continue
        for line_break in block.iter("br"):
            line_break.tail = "\n" + (line_break.tail or "")
        classes = " ".join(element.get("class") or "" for element in (block, *block.iter("code")))
        language = CODE_LANGUAGE.search(classes)
        mark = Element("p")
        mark.text = CODE_MARK.format(len(blocks))
        mark.tail = block.tail
        blocks.append(fenced(str(block.text_content()).strip("\n"), language[1].lower() if language else ""))
        parent.replace(block, mark)
    return blocks
