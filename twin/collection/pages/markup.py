"""HTML that an author's own program exported, to markdown: all of it is text of theirs, so nothing is left out.

For pages of the web, which have frames around the text, see `twin.collection.pages.webpage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from twin.collection.pages import blocks, rendering
from twin.errors import SourceFailed

if TYPE_CHECKING:
    from lxml.html import HtmlElement

__all__ = ["parse", "text_of", "to_markdown"]

REDIRECTS = {("www.google.com", "/url"): "q", ("www.linkedin.com", "/redir/redirect"): "url"}


def parse(html: str) -> HtmlElement:
    """The element tree of an HTML text.

    Raises:
        SourceFailed: There is nothing in it that is HTML.
    """
    tree = blocks.parse(html)
    if tree is None:
        raise SourceFailed("it is not readable as HTML")
    return tree


def text_of(element: HtmlElement | None) -> str | None:
    """The text of an element with its blanks collapsed; None when there is none."""
    return (" ".join(str(element.text_content()).split()) or None) if element is not None else None


def to_markdown(tree: HtmlElement) -> str:
    """The markdown of an element tree, which is changed by this.

    Headings, lists, tables, links and code stay. Images go, as do styles; redirects that platforms put around links are
    taken off.
    """
    for image in list(tree.iter("img")):
        image.drop_tree()
    for link in tree.iter("a"):
        _take_redirect_off(link)
    return rendering.markdown(blocks.read(tree)).replace("\xa0", " ")


def _take_redirect_off(link: HtmlElement) -> None:
    try:
        target = urlsplit(link.get("href") or "")
    except ValueError:
        return
    if parameter := REDIRECTS.get((target.netloc, target.path)):
        for url in parse_qs(target.query).get(parameter, [])[:1]:
            link.set("href", url)
