"""Pieces of a text that are not for readers: comments, queries, template code, components.

What a piece encloses is text and stays, unless it is a comment. Code stays as it is written: fenced, indented, inline,
in `<pre>` and `<code>`. One pass from left to right, where whatever opens first wins.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from twin.collection.withheld import jsx
from twin.collection.withheld.code import Code
from twin.collection.withheld.finding import Finder
from twin.text.fences import fenced

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Markup", "Remains", "without_pieces"]

Markup = Literal["plain", "page", "markdown", "vault", "mdx"]
"""How a text is written: as its readers see it (`plain`; `page` where it came from HTML), as markdown that some program
publishes, as a note of Obsidian's, as MDX."""

Kind = Literal["comment", "template code", "query", "component"]

OPENERS = {
    "ticks": r"`+",
    "tildes": r"~{3,}",
    "comment": r"<!--",
    "verbatim": r"(?-i:<(?:pre|code|PRE|CODE)\b)",
    "script": r"^<(?:script|style)\b",
    "braces": r"\{\{",
    "tag": r"\{%",
    "jsx_comment": r"\{/\*",
    "jinja_comment": r"\{\#\s",
    "critic": r"\{>>",
    "percent": r"%%",
    "math": r"\$\$",
    "org": r"^[ \t]*\#\+begin_comment\b",
    "reference": r"^ {0,3}\[(?://|comment)\]:",
    "esm": jsx.IMPORT,
    "component": r"^[ \t]*(?-i:</?[A-Z][\w.]*[a-z][\w.]*(?=[\s/>]))",
}
PAGE = ("ticks", "tildes", "verbatim", "braces", "tag", "math")
JSX = {
    "esm": jsx.ESM,
    "element": r"</?(?:[A-Za-z]|>)|<>",
    "expression": r"\{",
    "formula": r"\$[^\s$](?:[^$\n]*[^\s$])?\$(?!\d)",
}
SIGNS = re.compile(
    r"<!--|\{\{|\{%|\{/\*|\{#\s|\{>>|%%|#\+begin_comment|\[(?://|comment)\]:|<script|<style|^import[ \t]"
    r"|(?-i:^[ \t]*</?[A-Z])|(?:`{3}|~{3})[ \t]*(?:dataview|tasks|query|base)|`\$?= ",
    re.MULTILINE | re.IGNORECASE,
)
"""Most texts have none of these, and are done at once."""

REFERENCE = re.compile(r" {0,3}\[(?://|comment)\]:[ \t]*(?:#|<>)[ \t]*(?:\(.*\)|\".*\"|'.*')[ \t]*$", re.MULTILINE)
ORG_END = re.compile(r"^[ \t]*#\+end_comment\b.*$", re.MULTILINE | re.IGNORECASE)
CLOZE = re.compile(r"c\d{1,3}::(?P<text>.*?)(?:::.*)?", re.DOTALL)
SHORTCODE = re.compile(r"[<%]\s*(?P<name>[\w./-]+)(?P<said>.*)[>%]", re.DOTALL)
TAG = re.compile(r"\s*[-+]?\s*(?P<name>\w+)(?P<said>.*)", re.DOTALL)
LANGUAGE = re.compile(r"[\s:]*(?:lang:)?([A-Za-z0-9+#_-]{1,20})")
VERBATIM_TAGS = {"raw": "endraw", "verbatim": "endverbatim"}
CODE_TAGS = {"highlight": "endhighlight", "codeblock": "endcodeblock"}
CODE_SHORTCODES = frozenset({"highlight", "code", "code-toggle"})
FORMULA = re.compile(r"(?:[$\\^_}{=]|\\[A-Za-z]{1,30})\Z")
"""After these, double braces are no template's."""
QUERIES = frozenset({"dataview", "dataviewjs"})
VAULT_QUERIES = QUERIES | {"tasks", "query", "base"}
INLINE_QUERY = re.compile(r"`+\s?\$?= ")


class Remains(NamedTuple):
    """A text for readers."""

    text: str
    left_out: dict[str, int]
    """How many pieces of each kind are not in it."""


def without_pieces(text: str, markup: Markup) -> Remains:
    """The text without what is not for readers. Takes time and memory in proportion to the text, whatever it is."""
    if markup == "plain" or (markup != "mdx" and not SIGNS.search(text)):
        return Remains(text, {})
    return _Scan(text, markup).run()


class _Scan:
    """One pass over a text."""

    def __init__(self, text: str, markup: Markup) -> None:
        self._text = text
        self._markup: Markup = markup
        self._find = Finder(text)
        self._code = Code(text, self._find, indented=markup in ("markdown", "vault"))
        self._opener = _opener(markup)
        self._handlers: Final[dict[str, Callable[[int, int], int]]] = {
            name: getattr(self, f"_{name}") for name in (*OPENERS, *JSX)
        }
        self._kept: list[str] = []
        self._at = 0
        """Up to where the text was kept or left out."""
        self._left_out: Counter[str] = Counter()
        self._margins: list[int] = []
        """Of each component that is open, the indentation of what it encloses."""

    def run(self) -> Remains:
        position = 0
        while found := self._opener.search(self._text, position):
            start, end = found.span()
            escaped = start > 0 and self._text[start - 1] == "\\"
            position = end if escaped else self._handlers[found.lastgroup or ""](start, end)
        self._keep(len(self._text))
        return Remains("".join(self._kept), dict(self._left_out))

    # Each handler is told where its opener starts and ends, and returns where to go on.

    def _ticks(self, start: int, end: int) -> int:
        if end - start >= 3 and (fence := self._code.fence(start, end)):
            return self._fence(fence)
        close = self._code.inline_end(start, end)
        if close and self._markup == "vault" and INLINE_QUERY.match(self._text, start):
            return self._leave_out(start, close, "query")
        return close or end

    def _tildes(self, start: int, end: int) -> int:
        fence = self._code.fence(start, end)
        return self._fence(fence) if fence else end

    def _fence(self, fence: tuple[int, int, str]) -> int:
        start, end, info = fence
        language = info.strip().split(" ")[0].lower()
        if language in (VAULT_QUERIES if self._markup == "vault" else QUERIES) and self._markup != "page":
            return self._leave_out(start, end, "query")
        return end

    def _comment(self, start: int, end: int) -> int:
        if self._text.startswith(("<!-->", "<!--->"), start):
            return self._leave_out(start, self._find.after(">", end) or end, "comment")
        close = self._find.after("-->", end)
        if close is None and not self._text[max(0, start - 4) : start].rpartition("\n")[2].strip(" "):
            close = len(self._text)  # as browsers read one that begins a line
        return self._leave_out(start, close, "comment") if close else end

    def _verbatim(self, start: int, end: int) -> int:
        return self._find.after(f"</{self._text[start + 1 : end]}", end) or end

    def _script(self, start: int, end: int) -> int:
        close = self._find.after(f"</{self._text[start + 1 : end]}>", end)
        return self._leave_out(start, close, "template code") if close else end

    def _braces(self, start: int, end: int) -> int:
        if start != self._at and FORMULA.search(self._text[max(0, start - 32) : start]):
            return end
        if self._text.startswith("{{", end):  # more braces than any template has
            return end
        mark = self._text[end : end + 1]
        closing = {"<": ">}}", "%": "%}}", "{": "}}}"}.get(mark, "}}")
        close = self._find.after(closing, end, within=self._find.paragraph_end(start))
        if close is None:
            return end
        said = self._text[end : close - 2].strip("- \t\n")
        if said.startswith(("/*", "!")):
            return self._leave_out(start, close, "comment")
        if cloze := CLOZE.fullmatch(said):
            return self._leave_out(start, close, "template code", instead=cloze["text"])
        if mark in "<%" and (shortcode := SHORTCODE.fullmatch(said)):
            return self._shortcode(start, close, shortcode["name"], shortcode["said"])
        return self._leave_out(start, close, "template code")

    def _shortcode(self, start: int, close: int, name: str, said: str) -> int:
        if name == "comment" and (ends := self._find.closing_shortcode(name, close)):
            return self._leave_out(start, ends[1], "comment")
        if name in CODE_SHORTCODES and (ends := self._find.closing_shortcode(name, close)):
            return self._as_code(start, close, ends, said if name == "highlight" else "")
        return self._leave_out(start, close, "template code")

    def _tag(self, start: int, end: int) -> int:
        close = self._find.after("%}", end, within=self._find.paragraph_end(start))
        tag = TAG.fullmatch(self._text, end, close - 2) if close else None
        if close is None or tag is None:
            return end
        name = tag["name"]
        if name == "comment" and (ends := self._find.closing_tag("endcomment", close)):
            return self._leave_out(start, ends[1], "comment")
        if name in CODE_TAGS and (ends := self._find.closing_tag(CODE_TAGS[name], close)):
            return self._as_code(start, close, ends, tag["said"])
        if name in VERBATIM_TAGS and (ends := self._find.closing_tag(VERBATIM_TAGS[name], close)):
            self._leave_out(start, close, "template code")
            return self._leave_out(*ends, "template code")
        return self._leave_out(start, close, "template code")

    def _as_code(self, start: int, close: int, ends: tuple[int, int], said: str) -> int:
        """What a template marks as code becomes fenced code."""
        language = LANGUAGE.match(said)
        code = self._text[close : ends[0]].strip("\n")
        instead = f"{fenced(code, language[1].lower() if language else '')}\n" if code.strip() else ""
        return self._leave_out(start, ends[1], "template code", instead=instead)

    def _jsx_comment(self, start: int, end: int) -> int:
        close = self._find.after("*/}", end)
        return self._leave_out(start, close, "comment") if close else end

    def _jinja_comment(self, start: int, end: int) -> int:
        close = self._find.after("#}", end, within=self._find.paragraph_end(start))
        return self._leave_out(start, close, "comment") if close else end

    def _critic(self, start: int, end: int) -> int:
        close = self._find.after("<<}", end, within=self._find.paragraph_end(start))
        return self._leave_out(start, close, "comment") if close else end

    def _percent(self, start: int, end: int) -> int:
        """Obsidian's comments. Outside of a vault, a pair that encloses words in one paragraph, or whole paragraphs."""
        if self._markup == "vault":
            return self._leave_out(start, self._find.after("%%", end) or len(self._text), "comment")
        before = self._text[start - 1 : start]
        if before == "%" or before.isalnum() or self._text.startswith("%", end):
            return end
        opens_line = before in ("", "\n")
        within = None if opens_line else self._find.paragraph_end(start)
        close = self._find.after("%%", end, within=within)
        if close is None:
            return end
        ends_line = self._text[close : close + 1] in ("", "\n", "\r")
        spans_paragraphs = close > self._find.paragraph_end(start)
        if not ends_line and (spans_paragraphs or self._text[close - 3] == "\n"):
            return end
        return self._leave_out(start, close, "comment")

    def _math(self, start: int, end: int) -> int:
        return self._find.after("$$", end, within=self._find.paragraph_end(start)) or end

    def _org(self, start: int, end: int) -> int:
        close = self._find.match_end(ORG_END, end)
        return self._leave_out(start, close, "comment") if close else end

    def _reference(self, start: int, end: int) -> int:
        whole = REFERENCE.match(self._text, start)
        return self._leave_out(start, whole.end(), "comment") if whole else end

    def _esm(self, start: int, end: int) -> int:
        """A module's import or export; a text that has one is MDX from there on, whatever its name ends in."""
        if self._code.is_indented(start):
            return end
        if self._markup != "mdx":
            self._markup, self._opener = "mdx", _opener("mdx")
        close = end if self._text.startswith("import", start) else jsx.statement_end(self._text, start, self._find)
        return self._leave_out(start, close, "component")

    def _element(self, start: int, end: int) -> int:
        tag = jsx.tag_at(self._text, start, self._find)
        if tag is None:
            return end
        if not tag.is_component:
            return tag.end
        position = self._leave_out(start, tag.end, "component")
        if tag.closes and self._margins:
            self._margins.pop()
        if tag.opens:
            self._margins.append(jsx.margin_after(self._text, tag.end, self._margins[-1] if self._margins else 0))
        return position

    def _component(self, start: int, end: int) -> int:
        """A component that has lines for itself, in a text that is not told to be MDX."""
        start = self._text.index("<", start)
        tag = jsx.tag_at(self._text, start, self._find)
        if tag is None or not self._find.ends_line(tag.end):
            return end
        return self._leave_out(start, tag.end, "component")

    def _expression(self, start: int, end: int) -> int:
        close = self._find.brace_end(start)
        if close is None:
            return end
        return self._leave_out(start, close, "template code", instead=jsx.literal(self._text[start + 1 : close - 1]))

    def _formula(self, start: int, end: int) -> int:
        return end

    def _leave_out(self, start: int, end: int, kind: Kind, instead: str = "") -> int:
        """Leaves a piece out, with the line that it has for itself or the blank beside it; returns where it ends."""
        if self._code.is_indented(start):
            return end
        self._left_out[kind] += 1
        text, first, last = self._text, start, end
        while first > self._at and text[first - 1] in " \t":
            first -= 1
        while last < len(text) and text[last] in " \t":
            last += 1
        begins_line = first == 0 or text[first - 1] == "\n"
        ends_line = last == len(text) or text[last] == "\n"
        if instead:
            first, last = start, end
        elif begins_line and ends_line:
            last = min(last + 1, len(text))
        elif begins_line or first < start:
            first = first if ends_line else start
        elif not ends_line:
            last = end
        self._keep(first)
        self._kept.append(instead)
        self._at = last
        return last

    def _keep(self, end: int) -> None:
        chunk = self._text[self._at : end]
        margin = self._margins[-1] if self._margins else 0
        self._kept.append(re.sub(rf"^[ \t]{{1,{margin}}}", "", chunk, flags=re.MULTILINE) if margin else chunk)
        self._at = end


def _opener(markup: Markup) -> re.Pattern[str]:
    named = {name: OPENERS[name] for name in PAGE} if markup == "page" else OPENERS
    if markup == "mdx":
        named = {**{name: pattern for name, pattern in named.items() if name != "component"}, **JSX}
    parts = (f"(?P<{name}>{pattern})" for name, pattern in named.items())
    return re.compile("|".join(parts), re.MULTILINE | re.IGNORECASE)
