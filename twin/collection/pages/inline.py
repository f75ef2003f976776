"""The inside of a line of HTML as markdown: links, emphasis, code, formulas, images by what they show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from twin.collection.web import urls
from twin.errors import InputError

if TYPE_CHECKING:
    from lxml.html import HtmlElement

__all__ = [
    "IMAGE",
    "NAMES_FRAME",
    "SKIPPED",
    "collapsed",
    "is_hidden",
    "is_permalink",
    "linked_share",
    "markdown",
    "plain",
    "tidied",
]

SKIPPED = frozenset(
    {"script", "style", "noscript", "template", "iframe", "object", "embed", "svg", "canvas", "audio", "video", "map",
     "button", "select", "textarea", "input", "dialog", "head", "link", "meta", "title", "datalist", "fencedframe",
     "picture-source", "source", "track", "wbr"}
)  # fmt: skip
NAMES_FRAME = re.compile(
    r"(?:^|[\s_-])(?:nav(?:bar|igation)?|menu|breadcrumbs?|sidebar|footer|social|shar(?:e|ing)(?:daddy)?|related|comments?"
    r"|respond|newsletter|subscri(?:be|ption)(?:[\s_-]?(?:form|widget))?|promo|sponsor(?:ed)?|advert(?:isement)?s?|ads?|cookies?"
    r"|consent|pagination|pager|toc|table-of-contents|tag-?(?:s|list|cloud)|author-(?:bio|box|card)|widgets?|skip-link|popup|modal"
    r"|recommend(?:ed|ations)?|read-?(?:more|next)|toolbar|button-wrap(?:per)?|jp-relatedposts|feedflare|byline|metadata|post-meta|entry-meta)(?:$|[\s_-])",
    re.IGNORECASE,
)
"""Classes and ids of what stands around an article."""
EMPHASIS = {"strong": "**", "b": "**", "em": "*", "i": "*", "del": "~~", "s": "~~", "strike": "~~"}
OPEN_MARK = {
    "*": re.compile(r"^\*(?!\*)|(?<!\*)\*$"),
    "**": re.compile(r"^\*|\*$"),
    "~~": re.compile(r"^~|~$"),
}
"""What must not stand at the ends of what is marked, as both marks together would mean something else."""
CODE = frozenset({"code", "tt", "kbd", "samp"})
BLANKS = re.compile(r"[ \t\n\r\f\v]+")
INVISIBLE = " \t\r\n\xa0\u200b\u200c\u200d\u2060\ufeff"
PERMALINK = re.compile(r"\b(?:header-?link|anchor(?:-?link)?|permalink|hash-link|heading-?link|octicon)\b")
BUTTON = re.compile(r"(?:^|[\s_-])(?:button|btn)(?:$|[\s_-])", re.IGNORECASE)
PERMALINK_TEXTS = frozenset({"", "#", "¶", "§", "🔗", "¤", "link"})
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]{0,300}\]){0,2000})\]\([^()\s]{1,4000}\)")
IMAGE = re.compile(r"\*Image: [^\n]{1,1000}\*")
HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
FILE_NAME = re.compile(r"\S+\.(?:jpe?g|png|gif|webp|svg|avif)", re.IGNORECASE)
SPACED = frozenset({"p", "div", "li", "ul", "ol", "td", "tr", "section", "blockquote", "h1", "h2", "h3", "h4", "h5"})
LINES = frozenset({"div", "p", "li", "tr"})
MAX_DEPTH = 60
MAX_ALT_CHARS = 500
MAX_URL_CHARS = 1_000


def markdown(element: HtmlElement, base: str | None, *, whole: bool = False, depth: int = 0) -> str:
    """An element of a line, its tail aside. Line breaks are newlines. `whole`: what is in it, whatever it is."""
    tag = element.tag
    if not whole and (tag in SKIPPED or is_hidden(element)):
        return _formula(element) if tag == "script" else ""
    if tag == "br":
        return "\n"
    if tag == "img":
        return _image(element)
    if tag == "math":
        return _formula(element)
    if tag in CODE and not whole:
        return _code(element)
    if depth > MAX_DEPTH:
        return plain(element)
    if "katex" in (element.get("class") or "") and (formula := _formula(element)):
        return formula
    inner = _inside(element, base, depth)
    if whole:
        return inner
    if tag == "a":
        return _link(element, inner, base)
    if mark := EMPHASIS.get(tag):
        return _wrapped(inner, mark)
    if tag == "q":
        return f"“{inner.strip()}”"
    if tag == "sup" and re.fullmatch(r"[\w+−-]{1,6}", inner):
        return f"^{inner}"
    return inner


def plain(element: HtmlElement) -> str:
    """The text of an element whatever is in it, blanks collapsed."""
    return collapsed("".join(element.itertext()))


def verbatim(element: HtmlElement) -> str:
    """The text of an element as it stands. Line breaks, and elements that are lines, end its lines."""
    parts: list[str] = []
    _add_verbatim(element, parts, 0)
    return "".join(parts)


def _add_verbatim(element: HtmlElement, parts: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        parts.append("".join(element.itertext()))
        return
    parts.append(element.text or "")
    for child in element:
        if child.tag == "br":
            parts.append("\n")
        elif isinstance(child.tag, str) and child.tag not in SKIPPED:
            _add_verbatim(child, parts, depth + 1)
            if child.tag in LINES and not parts[-1].endswith("\n"):
                parts.append("\n")
        parts.append(child.tail or "")


def collapsed(text: str | None) -> str:
    """Text with each run of blanks as one space, as a browser shows it."""
    return BLANKS.sub(" ", text) if text else ""


def tidied(text: str) -> str:
    """A paragraph without blanks around its lines."""
    return "\n".join(line for part in text.split("\n") if (line := collapsed(part).strip()))


def is_hidden(element: HtmlElement) -> bool:
    """Whether a browser would not show it."""
    if not element.attrib:
        return False
    return "hidden" in element.attrib or (
        "style" in element.attrib and HIDDEN.search(element.get("style", "")[:2_000]) is not None
    )


def is_permalink(link: HtmlElement) -> bool:
    """Whether a link is a heading's sign for itself."""
    if " ".join(link.itertext()).strip(INVISIBLE).lower() not in PERMALINK_TEXTS or link.find(".//img") is not None:
        return False
    names = f"{link.get('class') or ''} {link.get('aria-label') or ''}".lower()
    return (link.get("href") or "").startswith("#") or PERMALINK.search(names) is not None


def linked_share(text: str) -> float:
    """The share of a line's letters that are links, 0 to 1."""
    if "](" not in text:
        return 0.0
    linked = sum(len(found[1]) for found in LINK.finditer(text))
    return linked / max(1, len(LINK.sub(r"\1", text)))


def _inside(element: HtmlElement, base: str | None, depth: int) -> str:
    parts = [collapsed(element.text)]
    for child in element:
        if isinstance(child.tag, str):
            text = markdown(child, base, depth=depth + 1)
            parts.append(f" {text} " if child.tag in SPACED else text)
        parts.append(collapsed(child.tail))
    return "".join(parts)


def _wrapped(inner: str, mark: str) -> str:
    """Emphasis closes up to its words; a mark inside a mark of its own kind is none."""
    words = inner.strip()
    if not words or "\n" in words or OPEN_MARK[mark].search(words):
        return inner
    before = inner[: len(inner) - len(inner.lstrip())]
    after = inner[len(inner.rstrip()) :]
    return f"{before}{mark}{words}{mark}{after}"


def _code(element: HtmlElement) -> str:
    code = plain(element)
    words = code.strip()
    if not words:
        return code
    longest = max((len(run) for run in re.findall(r"`+", words)), default=0)
    fence = "`" * (longest + 1)
    gap = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{fence}{gap}{words}{gap}{fence}"


def _link(element: HtmlElement, inner: str, base: str | None) -> str:
    href = (element.get("href") or "").strip()
    words = " ".join(inner.split())
    names = element.get("class") or ""
    if is_permalink(element):
        return ""
    target = _target(href, base)
    if not target or not words or "](" in words or words.startswith("*Image: ") or BUTTON.search(names):
        return inner
    before = " " if inner[:1].isspace() else ""
    after = " " if inner[-1:].isspace() else ""
    return f"{before}[{words.replace('[', '(').replace(']', ')')}]({target}){after}"


def _target(href: str, base: str | None) -> str | None:
    """Where a link leads, absolute and without trackers; None for what is no page, or is on this one."""
    if not href or href.startswith("#") or len(href) > MAX_URL_CHARS:
        return None
    try:
        url = urls.canonical(urljoin(base or "", href))
    except (InputError, ValueError):
        return None
    if not urls.is_web(url):
        return None
    return re.sub(r"[\s()<>]", lambda found: f"%{ord(found[0]):02X}", url)


def _image(element: HtmlElement) -> str:
    alt = " ".join((element.get("alt") or "").split())
    if len(alt.split()) < 2 or len(alt) > MAX_ALT_CHARS or FILE_NAME.fullmatch(alt):
        return ""
    return f"*Image: {alt.replace('*', '')}*"


def _formula(element: HtmlElement) -> str:
    """A formula as the TeX that it was written in, where the page carries it."""
    if element.tag == "script":
        kind = element.get("type") or ""
        tex = element.text if kind.startswith("math/tex") else None
        mark = "$$" if "display" in kind else "$"
    else:
        found = element.find('.//annotation[@encoding="application/x-tex"]')
        tex, mark = (found.text if found is not None else None), "$"
    if tex:
        return f"{mark}{' '.join(tex.split())}{mark}"
    return plain(element) if element.tag == "math" else ""
