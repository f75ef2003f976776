"""A web page's article as markdown, with its title, author, date and language."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import msgspec

from twin.collection.pages import blocks, inline, rendering, selection
from twin.errors import SourceFailed
from twin.text.dates import parse_date

if TYPE_CHECKING:
    from datetime import datetime

    from lxml.html import HtmlElement

__all__ = ["VERSION", "NoArticle", "Page", "declared_charset", "fragment", "read"]

VERSION = "page 3"
"""Changes when the same page gives other markdown; what an earlier version has read is read again."""

META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{2,40})", re.IGNORECASE)
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")
MAX_ELEMENTS = 100_000
MAX_LINKS_IN_A_LINE = 5_000
MAX_ATTRIBUTES = 500
MANY_CHILDREN = 300
FORMATTING = (
    "span",
    "b",
    "i",
    "em",
    "strong",
    "u",
    "s",
    "small",
    "mark",
    "font",
    "code",
    "tt",
    "kbd",
    "sub",
    "sup",
    "wbr",
)
NOT_A_LETTER = re.compile(r"[\W_]+")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
NO_ARTICLE = "nothing in it reads like an article: its text may be made by JavaScript"


class NoArticle(SourceFailed):
    """The page came, and has nothing to read in it."""


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

    Links are absolute where `url`, the page's own, is given.

    Raises:
        SourceFailed: It is not HTML.
        NoArticle: Nothing in it reads like an article.
    """
    from trafilatura.metadata import extract_metadata

    tree = _without_permalinks(_parse(html))
    metadata = extract_metadata(tree, default_url=url, date_config={"original_date": True, "extensive_search": False})
    content = _article(tree, url)
    if not content.strip():
        raise NoArticle(NO_ARTICLE)
    links = tree.xpath('//link[translate(@rel, "CANOIL", "canoil")="canonical"]/@href')
    return Page(
        content=content,
        title=metadata.title,
        author=_one_author(metadata.author),
        published_at=parse_date(metadata.date),
        language=_language(tree),
        canonical=str(links[0]) if links else None,
    )


def fragment(html: str, base: str | None = None) -> str:
    """A piece of HTML as markdown, for what is an article already, such as a feed's entry: all of it but what calls
    itself sharing buttons, a subscription form or the like.

    Raises:
        SourceFailed: It is not HTML, or built in a way that nobody writes.
    """
    if not html.strip():
        return ""
    page = blocks.read(_parse(html), base)
    selection.without_frames(page)
    return rendering.markdown(page)


def _parse(html: str) -> HtmlElement:
    tree = blocks.parse(html)
    if tree is None:
        raise SourceFailed("it is not readable as HTML")
    count = int(tree.xpath("count(//*)"))
    links = tree.xpath(f"boolean(//a[{MAX_LINKS_IN_A_LINE}])")
    if count > MAX_ELEMENTS or links or tree.xpath(f"boolean(//*[@*[{MAX_ATTRIBUTES}]])"):
        raise SourceFailed(
            f"it is no page that a person wrote: it has {count:,} elements; at most {MAX_ELEMENTS:,} are read, "
            f"{MAX_LINKS_IN_A_LINE:,} links in a line and {MAX_ATTRIBUTES} attributes of one element"
        )
    return tree


def _without_permalinks(tree: HtmlElement) -> HtmlElement:
    """The tree without the signs on headings that lead to themselves; they would be part of the title."""
    bare = copy.deepcopy(tree)
    for link in bare.xpath("//h1//a | //h2//a | //h3//a"):
        if inline.is_permalink(link):
            link.drop_tree()
    return bare


def _article(tree: HtmlElement, url: str | None) -> str:
    page = blocks.read(tree, _base(tree, url))
    words = _words_alone(tree)
    careful = _text(words, favor_precision=True)
    selection.select(page, _lines(careful), lambda: _lines(_text(words, favor_recall=True)))
    content = rendering.markdown(page)
    if content and _letters(content) >= _letters(careful) / 2:
        return content
    # The text is not on the page but in its metadata, or stands there in a way that we do not read
    return _text(words, favor_recall=True, output_format="markdown", include_formatting=True)


def _lines(text: str) -> list[str]:
    """The lines of a text, and of a table its cells."""
    return [part for line in text.splitlines() for part in line.split("|")]


def _letters(text: str) -> int:
    return len(NOT_A_LETTER.sub("", text))


def _words_alone(tree: HtmlElement) -> HtmlElement:
    """The tree without the markup of code and of very long lines: to tell what is the article only their words matter,
    and trafilatura's time grows with the square of the elements in one line."""
    from lxml import etree  # ty: ignore[missing-module-member]

    plain = copy.deepcopy(tree)
    for code in list(plain.iter("pre")):
        code.text = CONTROL.sub("", code.text_content())
        del code[:]
    for element in [one for one in plain.iter("*") if len(one) > MANY_CHILDREN]:
        etree.strip_tags(element, *FORMATTING)
        element.text = CONTROL.sub("", element.text or "")  # joins the pieces of text that were left
        for child in element:
            child.tail = CONTROL.sub("", child.tail or "")
    return plain


def _text(tree: HtmlElement, **options: object) -> str:
    import trafilatura

    return trafilatura.extract(tree, include_comments=False, **options) or ""  # ty: ignore[invalid-argument-type]


def _base(tree: HtmlElement, url: str | None) -> str | None:
    """What relative links are relative to."""
    declared = tree.find(".//base[@href]")
    if declared is None:
        return url
    try:
        return urljoin(url or "", declared.get("href", "").strip())
    except ValueError:
        return url


def _language(tree: HtmlElement) -> str | None:
    """The page's language as it says itself."""
    named = [tree.get("lang"), tree.get("{http://www.w3.org/XML/1998/namespace}lang")]
    named += tree.xpath('//meta[translate(@http-equiv, "CONTELAGU", "contelagu")="content-language"]/@content')
    named += tree.xpath('//meta[@property="og:locale"]/@content')
    for one in named:
        tag = (one or "").strip()
        if LANGUAGE_TAG.fullmatch(tag):
            return tag.replace("_", "-").lower()
    return None


def _one_author(names: str | None) -> str | None:
    """The first of the names that trafilatura joins by `;`."""
    first = (names or "").split(";")[0]
    return " ".join(first.split()) or None
