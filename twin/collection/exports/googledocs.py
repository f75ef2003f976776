"""HTML as Google Docs exports it: all style and classes, links through google.com, comments of others at the end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twin.collection.collector import Draft
from twin.collection.pages import markup

if TYPE_CHECKING:
    from lxml.html import HtmlElement

__all__ = ["is_google_doc", "read"]

SIGN = re.compile(r"<body[^>]{0,300}class=\"[^\"]{0,200}\bdoc-content\b|themes\.googleusercontent\.com/fonts/css")
SIGN_WITHIN_CHARS = 200_000
COMMENT = "#cmnt"
FOOTNOTE = "#ftnt"


def is_google_doc(html: str) -> bool:
    """Whether Google Docs wrote this page."""
    return SIGN.search(html[:SIGN_WITHIN_CHARS]) is not None


def read(html: str, *, url: str, name: str) -> Draft:
    """The document in an exported page; `name` is its title when it has none.

    Comments are left out, as other people may have written them. Footnotes become markdown's.

    Raises:
        SourceFailed: It is not readable as HTML.
    """
    tree = markup.parse(html)
    title = markup.text_of(tree.find(".//title")) or markup.text_of(_first_of_class(tree, "title"))
    _drop_comments(tree)
    _mark_footnotes(tree)
    heading = _first_of_class(tree, "title")
    if heading is not None:
        heading.tag = "h1"
    content = markup.to_markdown(tree)
    return Draft(url=url, title=title or name, content=content, markup="page")


def _first_of_class(tree: HtmlElement, name: str) -> HtmlElement | None:
    for element in tree.iter("p"):
        if name in (element.get("class") or "").split():
            return element
    return None


def _drop_comments(tree: HtmlElement) -> None:
    for link in list(tree.iter("a")):
        target = link.get("href") or ""
        if not target.startswith(COMMENT):
            continue
        if target.startswith(f"{COMMENT}_ref"):
            _block_of(link).drop_tree()
        else:
            _superscript_of(link).drop_tree()


def _mark_footnotes(tree: HtmlElement) -> None:
    for link in list(tree.iter("a")):
        target = link.get("href") or ""
        number = re.search(r"(\d+)$", target)
        if not target.startswith(FOOTNOTE) or not number:
            continue
        is_note = target.startswith(f"{FOOTNOTE}_ref")
        mark = f"[^{number[1]}]:" if is_note else f"[^{number[1]}]"
        place = link if is_note else _superscript_of(link)
        place.tail = f"{mark}{place.tail or ''}"
        place.drop_tree()


def _superscript_of(link: HtmlElement) -> HtmlElement:
    parent = link.getparent()
    return parent if parent is not None and parent.tag == "sup" else link


def _block_of(link: HtmlElement) -> HtmlElement:
    """The division that holds a comment: the outermost one below the body that holds nothing else."""
    block = link
    while (parent := block.getparent()) is not None and parent.tag in ("p", "div", "span", "sup"):
        block = parent
        if block.tag == "div":
            break
    return block
