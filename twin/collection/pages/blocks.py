"""HTML as blocks of text: paragraphs, headings, lists, tables, code, quotes and captions, each with what it is in.

A tree of `Block`s is small and flat enough to decide on (`pages.selection`) and to write down as markdown
(`pages.rendering`). Nothing is left out here but what is no text: scripts, forms, what is hidden.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

from twin.collection.pages import inline
from twin.collection.pages.inline import NAMES_FRAME, SKIPPED

if TYPE_CHECKING:
    from lxml.html import HtmlElement

__all__ = ["Block", "Kind", "leaves", "parse", "read"]

Kind = Literal[
    "group", "paragraph", "heading", "code", "quote", "list", "item", "table", "row", "cell", "caption", "rule"
]

MAX_DEPTH = 120
"""Elements inside each other that are followed. What is deeper gives its text alone."""
HEADINGS = {f"h{level}": level for level in range(1, 7)}
FRAMES = frozenset({"nav", "footer", "aside", "menu"})
PARAGRAPHS = frozenset({"p", "dt", "summary", "address", "legend", "label"})
BLOCKS = frozenset(
    {*HEADINGS, *FRAMES, *PARAGRAPHS, "html", "body", "main", "article", "section", "header", "div", "blockquote",
     "pre", "ul", "ol", "li", "dl", "dd", "table", "caption", "thead", "tbody", "tfoot", "tr", "td", "th", "figure",
     "figcaption", "hr", "details", "fieldset", "center", "hgroup", "search", "dir", "form"}
)  # fmt: skip
CODE_LANGUAGE = re.compile(
    r"(?:^|\s)(?:language-|lang-|highlight-(?:source-|text-)?|sourceCode |brush: ?)([A-Za-z0-9+#_-]{1,20})"
)
NO_LANGUAGE = frozenset({"text", "plaintext", "plain", "none", "notranslate", "default", "code", "highlight", "source"})
LINE_NUMBERS = re.compile(
    r"\b(?:gutter|line-?nos?|lnt|ln|line-?numbers?(?:-rows)?|rouge-gutter|linenodiv|hljs-ln-numbers)\b"
)
MAX_COLUMNS = 100
MAX_SPAN = 12
TAG = re.compile(r"<[A-Za-z](?:[^>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')?+)*+(?:>|\Z)")
ATTRIBUTE = re.compile(r"[\s\"'/][^\s\"'<>/=]")
LONG_TAG = 50_000
LONG_PAGE = 200_000
MAX_ATTRIBUTES = 2_000
"""The time to parse an element grows with the square of its attributes; shorter pages cannot have too many."""


class Block(msgspec.Struct):
    """A piece of a page. A leaf has `text`; any other has `children`."""

    kind: Kind
    text: str = ""
    """Markdown of a line (`inline`); of code, the code itself."""
    children: list[Block] = []
    level: int = 0
    """Of a heading 1 to 6; of a list's first number, 0 for bullets; of a cell, 1 when it is a header."""
    language: str = ""
    """Of code."""
    in_frame: bool = False
    """Whether it is in something that calls itself navigation, a sidebar, sharing buttons or the like."""
    linked: float = 0.0
    """The share of its letters that are links."""
    kept: bool = True
    """Whether it is written down; see `twin.collection.pages.selection`."""


def parse(html: str) -> HtmlElement | None:
    """The element tree of an HTML text; None when there is nothing in it that is HTML."""
    from lxml import etree  # ty: ignore[missing-module-member]
    from lxml.html import HTMLParser, document_fromstring

    if len(html) > LONG_PAGE and any(_is_overloaded(tag[0]) for tag in TAG.finditer(html)):
        return None
    # As bytes: lxml refuses text that also declares an encoding
    parser = HTMLParser(encoding="utf-8", huge_tree=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        return document_fromstring(html.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None


def _is_overloaded(tag: str) -> bool:
    return len(tag) > LONG_TAG and len(ATTRIBUTE.findall(tag)) > MAX_ATTRIBUTES


def read(element: HtmlElement, base: str | None = None) -> Block:
    """The blocks of an element. `base` is the URL that its links are relative to."""
    reader = _Reader(element, base)
    return Block(kind="group", children=reader.blocks_of(element, in_frame=False, depth=0))


def leaves(block: Block) -> list[Block]:
    """The blocks that have text, in the order of the page."""
    found: list[Block] = []
    waiting = [block]
    while waiting:
        one = waiting.pop()
        if one.children:
            waiting.extend(reversed(one.children))
        elif one.text:
            found.append(one)
    return found


class _Reader:
    """Walks one tree."""

    def __init__(self, root: HtmlElement, base: str | None) -> None:
        self._base = base
        self._elements = list(root.iter("*"))  # kept, so that lxml gives the same objects again
        self._with_blocks: set[HtmlElement] = set()
        for element in self._elements:
            if element.tag in BLOCKS:
                parent = element.getparent()
                while parent is not None and parent not in self._with_blocks:
                    self._with_blocks.add(parent)
                    parent = parent.getparent()

    def blocks_of(self, element: HtmlElement, *, in_frame: bool, depth: int) -> list[Block]:
        """The blocks in an element, its loose text as paragraphs."""
        if depth > MAX_DEPTH:
            return self._paragraphs([inline.plain(element)], in_frame=in_frame)
        found: list[Block] = []
        line = [inline.collapsed(element.text)]
        for child in element:
            if child.tag in BLOCKS or child in self._with_blocks:
                found += self._paragraphs(line, in_frame=in_frame)
                line = []
                if not inline.is_hidden(child):
                    found += self._block(child, in_frame=in_frame or _is_frame(child), depth=depth + 1)
            else:
                line.append(inline.markdown(child, self._base))
            line.append(inline.collapsed(child.tail))
        return found + self._paragraphs(line, in_frame=in_frame)

    def _block(self, element: HtmlElement, *, in_frame: bool, depth: int) -> list[Block]:
        tag = element.tag
        if tag in SKIPPED:
            return []
        if tag in HEADINGS:
            return self._line(element, "heading", in_frame, level=HEADINGS[tag])
        if tag == "pre":
            return _code(element, in_frame=in_frame)
        if tag == "hr":
            return [Block(kind="rule", in_frame=in_frame)]
        if tag in ("figcaption", "caption"):
            return self._line(element, "caption", in_frame)
        if tag in ("ul", "ol", "dir", "menu"):
            return self._list(element, in_frame=in_frame, depth=depth)
        if tag == "table":
            return self._table(element, in_frame=in_frame, depth=depth)
        inner = self.blocks_of(element, in_frame=in_frame, depth=depth)
        if tag == "figure":
            return _without_alt(inner)
        if tag == "blockquote" and inner:
            return [Block(kind="quote", children=inner)]
        if tag in ("dt", "summary") and len(inner) == 1 and inner[0].text and "*" not in inner[0].text:
            inner[0].text = f"**{inner[0].text}**"
        return inner

    def _line(self, element: HtmlElement, kind: Kind, in_frame: bool, level: int = 0) -> list[Block]:
        text = " ".join(inline.markdown(element, self._base, whole=True).split())
        return [_leaf(kind, text, in_frame, level=level)] if text.strip("#¶ ") else []

    def _paragraphs(self, line: list[str], *, in_frame: bool) -> list[Block]:
        """Two line breaks in a row end a paragraph, as many pages write it so."""
        texts = (inline.tidied(part) for part in re.split(r"\n\s*\n", "".join(line)))
        return [
            _leaf("caption" if inline.IMAGE.fullmatch(text) else "paragraph", text, in_frame) for text in texts if text
        ]

    def _list(self, element: HtmlElement, *, in_frame: bool, depth: int) -> list[Block]:
        start = element.get("start", "1") if element.tag == "ol" else "0"
        items: list[Block] = []
        for child in element:
            if inline.is_hidden(child):
                continue
            frame = in_frame or _is_frame(child)
            if child.tag in ("ul", "ol") and items:  # not allowed there, and common
                items[-1].children += self._list(child, in_frame=frame, depth=depth + 1)
            elif inner := self._item(child, in_frame=frame, depth=depth + 1):
                items.append(Block(kind="item", children=inner, in_frame=frame))
        number = int(start) if start.isascii() and start.isdigit() and len(start) < 10 else 1
        return [Block(kind="list", children=items, level=number, in_frame=in_frame)] if items else []

    def _item(self, element: HtmlElement, *, in_frame: bool, depth: int) -> list[Block]:
        if element.tag in SKIPPED:
            return []
        if element.tag in BLOCKS or element in self._with_blocks:
            return self.blocks_of(element, in_frame=in_frame, depth=depth)
        return self._paragraphs([inline.markdown(element, self._base)], in_frame=in_frame)

    def _table(self, element: HtmlElement, *, in_frame: bool, depth: int) -> list[Block]:
        """A table of data as rows of cells; a table that only places things, or holds code, as what is in it."""
        rows = [row for row in element.iter("tr") if _table_of(row) is element]
        cells = [[cell for cell in row if cell.tag in ("td", "th")] for row in rows]
        if _is_layout(element, cells):
            inner: list[Block] = []
            for cell in (cell for row in cells for cell in row if not LINE_NUMBERS.search(cell.get("class") or "")):
                inner += self.blocks_of(cell, in_frame=in_frame, depth=depth)
            return inner
        captions = [caption for caption in element.iter("caption") if _table_of(caption) is element]
        found = [block for caption in captions for block in self._line(caption, "caption", in_frame)]
        lines = [self._row(row, in_frame) for row in cells if row]
        if any(cell.text for line in lines for cell in line.children):
            found.append(Block(kind="table", children=lines, in_frame=in_frame))
        return found

    def _row(self, cells: list[HtmlElement], in_frame: bool) -> Block:
        found: list[Block] = []
        for cell in cells:
            text = " ".join(inline.markdown(cell, self._base, whole=True).split()).replace("|", "\\|")
            found.append(_leaf("cell", text, in_frame, level=int(cell.tag == "th")))
            found += [Block(kind="cell") for _ in range(min(_number(cell.get("colspan")), MAX_SPAN) - 1)]
        return Block(kind="row", children=found[:MAX_COLUMNS], in_frame=in_frame)


def _leaf(kind: Kind, text: str, in_frame: bool, *, level: int = 0) -> Block:
    return Block(kind=kind, text=text, level=level, in_frame=in_frame, linked=inline.linked_share(text))


def _is_frame(element: HtmlElement) -> bool:
    if element.tag in FRAMES or element.get("role") in ("navigation", "complementary", "contentinfo", "banner"):
        return True
    names = f"{element.get('class') or ''} {element.get('id') or ''}"
    return len(names) > 1 and len(names) < 500 and NAMES_FRAME.search(names) is not None


def _is_layout(table: HtmlElement, rows: list[list[HtmlElement]]) -> bool:
    if table.get("role") in ("presentation", "none") or max(map(len, rows), default=0) < 2:
        return True
    inside = {element.tag for element in table.iter("table", "pre", "ul", "ol", "blockquote", "h1", "h2", "h3", "h4")}
    nested = next((True for inner in table.iter("table") if inner is not table), False)
    if nested or "pre" in inside:
        return True
    return bool(inside - {"table"}) and table.find(".//th") is None


def _table_of(element: HtmlElement) -> HtmlElement | None:
    return next(element.iterancestors("table"), None)


def _number(value: str | None) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 6 else 1


def _without_alt(inner: list[Block]) -> list[Block]:
    """What is in a figure: an image's alternative text steps back for its caption."""
    captions = [block for block in inner if block.kind == "caption" and not inline.IMAGE.fullmatch(block.text)]
    return [block for block in inner if not captions or not inline.IMAGE.fullmatch(block.text)]


def _code(element: HtmlElement, *, in_frame: bool) -> list[Block]:
    for numbers in element.iter("span", "div", "td", "code"):
        if LINE_NUMBERS.search(numbers.get("class") or ""):
            numbers.text = ""
            for child in list(numbers):
                numbers.remove(child)
    code = inline.verbatim(element).strip("\n")
    if not code.strip():
        return []
    return [Block(kind="code", text=code, language=_language(element), in_frame=in_frame)]


def _language(element: HtmlElement) -> str:
    around = [parent for parent, _ in zip(element.iterancestors("div", "figure", "td"), range(3), strict=False)]
    for one in (element, *element.iter("code"), *around):
        named = one.get("data-lang") or one.get("data-language") or ""
        if not named:
            found = CODE_LANGUAGE.search(one.get("class") or "")
            named = found[1] if found else ""
        named = named.strip().lower()
        if named and named not in NO_LANGUAGE and re.fullmatch(r"[a-z0-9+#_.-]{1,20}", named):
            return named
    return ""
