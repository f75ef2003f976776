"""XML from servers that are not trusted, as a tree: nothing it declares is expanded, nothing it names is fetched, and
what is broken is read as far as it goes.

libxml2 does the reading, with its limits on depth (256) and on the size of a text (10 MB), entities unresolved and no
network. expat, which feedparser uses, would expand entities up to its own limit; so whatever declares one is refused
before, as no feed or sitemap needs any. See https://lxml.de/FAQ.html#how-do-i-use-lxml-safely-as-a-web-service-endpoint
"""

from __future__ import annotations

import re
from html.entities import html5
from typing import TYPE_CHECKING, NamedTuple

from twin.errors import SourceFailed, SourceRefused
from twin.text import decoding

if TYPE_CHECKING:
    from lxml.etree import _Element  # ty: ignore[import-not-found]

__all__ = ["SafeXml", "local_name", "parse"]

DECLARED_ENCODING = re.compile(rb"<\?xml[^>]{0,100}encoding\s{0,9}=\s{0,9}[\"']([A-Za-z][\w.-]{0,40})")
DECLARATION = re.compile(r"^<\?xml[^>]{0,300}\?>")
NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
CDATA = re.compile(r"(<!\[CDATA\[.*?(?:\]\]>|\Z))", re.DOTALL)
NAMED_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z]\w{1,30});")
LOOSE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});)")
ENTITY = "<!ENTITY"
EXPLOSIVE = "it declares XML entities, which can be made to explode or to read files: no feed or sitemap needs any"
PREFIX = re.compile(r"<([A-Za-z_][\w.-]{0,60}):[A-Za-z_]|\s([A-Za-z_][\w.-]{0,60}):[A-Za-z_][\w.-]{0,60}\s?=")
DECLARED_PREFIX = re.compile(r"\sxmlns:([A-Za-z_][\w.-]{0,60})\s?=")
MAX_PREFIXES = 100
ROOT = re.compile(r"<([A-Za-z_][\w.:-]{0,100})")
NAMESPACES = {
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "atom": "http://www.w3.org/2005/Atom",
    "atom10": "http://www.w3.org/2005/Atom",
    "media": "http://search.yahoo.com/mrss/",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "feedburner": "http://rssnamespace.org/feedburner/ext/1.0",
}
"""Of prefixes that are used without being declared."""


class SafeXml(NamedTuple):
    """A document that was read."""

    root: _Element
    whole: bool
    """Whether it was read to its end."""
    stopped: bool
    """Whether reading stopped at a limit, somewhere before the end of what is there."""
    written: str
    """The text that was read."""

    def is_last_half(self, *names: str) -> bool:
        """Whether the last of the elements of these names, given with their prefixes, was cut off."""
        if self.whole or self.stopped:
            return self.stopped
        begun = max(self.written.rfind(f"<{name}{end}") for name in names for end in "> \t\n")
        return begun > max(self.written.rfind(f"</{name}") for name in names)


def parse(data: bytes, charset: str | None = None) -> SafeXml:
    """The tree of an XML document. `charset` is what its carrier named.

    Raises:
        SourceRefused: It declares entities, or is no text.
        SourceFailed: It is not XML, or in an encoding that cannot be told.
    """
    from lxml import etree  # ty: ignore[missing-module-member]

    declared = DECLARED_ENCODING.search(data[:400])
    xml = decoding.decode(data, declared[1].decode("ascii") if declared else charset).lstrip("\ufeff \t\r\n")
    root_at = ROOT.search(xml)
    if root_at is None:
        raise SourceFailed("it is not XML")
    if ENTITY in xml[: root_at.start()]:
        raise SourceRefused(EXPLOSIVE)
    parser = etree.XMLParser(
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
    )
    clean = _repaired(DECLARATION.sub("", NOT_XML.sub("", xml)))
    try:
        root = etree.fromstring(clean.encode(), parser)
    except (etree.LxmlError, ValueError) as error:
        raise SourceFailed(f"it is not XML: {error}") from None
    if root is None:
        raise SourceFailed("it is not XML")
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and next(dtd.iterentities(), None) is not None:
        raise SourceRefused(EXPLOSIVE)
    stopped = any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log)
    ended = f"</{_written_name(root)}>" in re.sub(r"\s", "", clean[-2_000:])
    return SafeXml(root, whole=ended and not stopped, stopped=stopped, written=clean)


def local_name(element: _Element) -> str:
    """The name of an element without its namespace, in lower case; empty for what is none."""
    tag = element.tag
    return tag.rpartition("}")[2].rpartition(":")[2].lower() if isinstance(tag, str) else ""


def _written_name(root: _Element) -> str:
    name = root.tag.rpartition("}")[2]
    return f"{root.prefix}:{name}" if root.prefix else name


def _repaired(xml: str) -> str:
    """Repairs what a strict reader stumbles on and a browser does not: HTML's entities, bare ampersands, prefixes that
    nothing declares."""
    parts = CDATA.split(xml)
    parts[::2] = [LOOSE_AMPERSAND.sub("&amp;", NAMED_ENTITY.sub(_character, part)) for part in parts[::2]]
    return _with_namespaces("".join(parts), parts[::2])


def _character(found: re.Match[str]) -> str:
    """What HTML calls by this name, where XML does not."""
    character = html5.get(f"{found[1]};", found[0])
    return character.replace("<", "&lt;").replace(">", "&gt;")


def _with_namespaces(xml: str, outside_cdata: list[str]) -> str:
    used = {found[1] or found[2] for part in outside_cdata for found in PREFIX.finditer(part)}
    declared = {found[1] for part in outside_cdata for found in DECLARED_PREFIX.finditer(part)}
    missing = sorted(used - declared - {"xml", "xmlns"})[:MAX_PREFIXES]
    root = ROOT.search(xml)
    if not missing or root is None:
        return xml
    added = "".join(f' xmlns:{name}="{NAMESPACES.get(name, f"urn:undeclared:{name}")}"' for name in missing)
    return f"{xml[: root.end()]}{added}{xml[root.end() :]}"
