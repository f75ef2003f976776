"""DOCX by mammoth, which reads styles as what they mean: headings, lists, tables, footnotes; comments stay out."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from twin.collection.pages import markup
from twin.collection.pages.extraction import Extracted
from twin.errors import SourceFailed, SourceRefused
from twin.text.dates import parse_date

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read"]

MAX_XML_BYTES = 100_000_000
CORE = "docProps/core.xml"
OLE_MAGIC = b"\xd0\xcf\x11\xe0"
STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name='Quote'] => blockquote:fresh
p[style-name='Intense Quote'] => blockquote:fresh
p[style-name='Code'] => pre:separator('\\n')
p[style-name='HTML Preformatted'] => pre:separator('\\n')
"""
CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
TITLE = "{http://purl.org/dc/elements/1.1/}title"
LANGUAGE = "{http://purl.org/dc/elements/1.1/}language"
CREATED = "{http://purl.org/dc/terms/}created"


def read(data: bytes) -> Extracted:
    """The text of a Word document.

    Raises:
        SourceRefused: It is encrypted, or too large inside.
        SourceFailed: It is not a Word document, or too damaged.
    """
    import mammoth

    if data.startswith(OLE_MAGIC):
        raise SourceRefused("it is encrypted, or of Word's old format: save it as DOCX without a password")
    about = _examined(data)
    html = mammoth.convert_to_html(io.BytesIO(data), style_map=STYLES, convert_image=lambda _: [], id_prefix="").value
    tree = markup.parse(f"<html><body>{html}</body></html>")
    for link in list(tree.iter("a")):
        target = link.get("href") or "#"
        if target.startswith(("#footnote-ref", "#endnote-ref")):
            link.drop_tree()
        elif target.startswith("#"):
            link.drop_tag()
    return Extracted(
        content=markup.to_markdown(tree),
        title=about.get(TITLE),
        author=about.get(CREATOR),
        created_at=parse_date(about.get(CREATED)),
        language=(about.get(LANGUAGE) or "").lower() or None,
    )


def _examined(data: bytes) -> Mapping[str, str]:
    """Its core properties, once its parts are known to be of a sane size and without tricks."""
    from xml.etree import ElementTree

    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile:
        raise SourceFailed("it is not a Word document, or it breaks off") from None
    with archive:
        parts = [info for info in archive.infolist() if info.filename.endswith((".xml", ".rels"))]
        if sum(info.file_size for info in parts) > MAX_XML_BYTES:
            raise SourceRefused(f"it unpacks to more than {MAX_XML_BYTES:,} bytes of XML")
        if any(b"<!DOCTYPE" in archive.read(info)[:4_096] for info in parts):
            raise SourceRefused("its XML declares entities, which no word processor writes")
        if CORE not in archive.namelist():
            return {}
        root = ElementTree.fromstring(archive.read(CORE))  # noqa: S314 (it has no entities, as was looked at)
    return {str(part.tag): " ".join(part.text.split()) for part in root if part.text and part.text.strip()}
