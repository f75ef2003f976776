"""PDF and Word files, made here byte for byte."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

import pytest

from twin.collection.pages import extraction
from twin.errors import CollectionError, SourceFailed, SourceRefused
from twin.records import Document, Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.conftest import Looks

Line = tuple[int, str]


def pdf(pages: Sequence[Sequence[Line]], info: str = "", encrypt: str = "") -> bytes:
    """A PDF with these lines (size, text) from the top of each page down; an empty text is a gap."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", info]
    kids = []
    for lines in pages:
        y, drawn = 780, []
        for size, text in lines:
            y -= round(size * 1.2)
            escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
            drawn.append(f"BT /F1 {size} Tf 72 {y} Td ({escaped}) Tj ET" if text else "")
        stream = "\n".join(drawn)
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        kids.append(f"{len(objects) + 1} 0 R")
        resources = "/Resources << /Font << /F1 3 0 R >> >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {resources} /Contents {len(objects)} 0 R >>"
        )
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>"
    out, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{content or '<< >>'}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    trailer = f"<< /Size {len(objects) + 1} /Root 1 0 R /Info 4 0 R {encrypt} >>"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n{trailer}\nstartxref\n{start}\n%%EOF\n"
    return out.encode("latin-1")


INFO = "<< /Title (On the Engine) /Author (Ada Lovelace) /CreationDate (D:18430901120000+01'00') >>"
ENCRYPTED = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O ({'o' * 32}) /U ({'u' * 32}) /P -4 >> /ID [(a) (a)]"
HEADER, GAP = (9, "The Analytical Papers"), (11, "")
PAGES = [
    [HEADER, GAP, (24, "On the Engine"), GAP, (11, "The engine weaves algebraical patterns just as the loom of a"),
     (11, "famous weaver weaves flowers and leaves, with cards that are punch-"), (11, "ed beforehand by hand."), GAP,
     (16, "What it is not"), GAP, (11, "It has no pretensions whatever to originate any-"), GAP, (9, "Page 1 of 3")],
    [HEADER, GAP, (11, "thing of its own, whatever people say of it in drawing rooms."), GAP,
     (11, "\xb7 it computes what we order"), (11, "\xb7 it follows a well-known-"),
     (11, "and-tried analysis"), GAP, (9, "Page 2 of 3")],
    [HEADER, GAP, (16, "What it is"), GAP, (11, "A machine, and a good one, made of brass and patience."), GAP,
     (9, "Page 3 of 3")],
]  # fmt: skip


def test_a_pdf_gives_headings_paragraphs_and_what_its_metadata_says(tmp_path: Path, looks: Looks) -> None:
    (tmp_path / "engine.pdf").write_bytes(pdf(PAGES, INFO))
    [document] = looks(tmp_path / "engine.pdf", None)
    assert isinstance(document, Document)
    assert (document.title, document.author) == ("On the Engine", "Ada Lovelace")
    assert document.published_at == datetime(1843, 9, 1, 11, tzinfo=UTC)
    assert document.content == (
        "# On the Engine\n\n"
        "The engine weaves algebraical patterns just as the loom of a famous weaver weaves flowers and leaves, with "
        "cards that are punched beforehand by hand.\n\n"
        "## What it is not\n\n"
        "It has no pretensions whatever to originate anything of its own, whatever people say of it in drawing "
        "rooms.\n\n"
        "- it computes what we order\n\n"
        "- it follows a well-known-and-tried analysis\n\n"
        "## What it is\n\n"
        "A machine, and a good one, made of brass and patience."
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pdf([[], [], []]), "has no text, as scans have none"),
        (pdf(PAGES, INFO, ENCRYPTED), "encrypted"),
    ],
)
def test_scans_and_encrypted_pdfs_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(SourceRefused, match=reason):
        extraction.extract(data, "pdf")


@pytest.mark.parametrize("data", [b"%PDF-1.7 disguised", pdf(PAGES)[:200], b"PK\x03\x04"])
def test_what_is_no_pdf_fails(data: bytes) -> None:
    with pytest.raises(SourceFailed, match="cannot be read as PDF"):
        extraction.extract(data, "pdf")


def test_a_title_that_is_a_file_name_is_none(tmp_path: Path, looks: Looks) -> None:
    (tmp_path / "my-engine.pdf").write_bytes(
        pdf([[(11, "One size of letters all the way through.")]], "<< /Title (Microsoft Word - x.doc) >>")
    )
    [document] = looks(tmp_path)
    assert isinstance(document, Document)
    assert document.title == "my engine"


WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def docx(body: str, core: str = "", *, doctype: str = "") -> bytes:
    """A Word document with this body."""
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" Type="{office}/officeDocument" '
        'Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<?xml version="1.0"?>{doctype}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body>'
        "</w:document>",
        "docProps/core.xml": '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/'
        'core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">'
        f"{core}</cp:coreProperties>",
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return data.getvalue()


def paragraph(text: str, style: str = "", *, bold: bool = False) -> str:
    styled = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    weight = "<w:rPr><w:b/></w:rPr>" if bold else ""
    return f'<w:p>{styled}<w:r>{weight}<w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def test_a_word_document_gives_headings_and_what_its_properties_say(tmp_path: Path, looks: Looks) -> None:
    cells = "".join(
        f"<w:tr><w:tc>{paragraph(a)}</w:tc><w:tc>{paragraph(b)}</w:tc></w:tr>" for a, b in [("a", "b"), ("c", "d")]
    )
    body = (
        paragraph("The engine", "Heading1") + paragraph("It has snake_case and 2*3 in it.")
        + paragraph("So bold.", bold=True) + paragraph("Parts", "Heading2") + f"<w:tbl>{cells}</w:tbl>"
    )  # fmt: skip
    core = "<dc:title>On Engines</dc:title><dc:creator>Ada Lovelace</dc:creator>"
    core += "<dcterms:created>2024-03-01T10:00:00Z</dcterms:created>"
    (tmp_path / "engine.docx").write_bytes(docx(body, core))
    [document] = looks(tmp_path, None)
    assert isinstance(document, Document)
    assert (document.title, document.author) == ("On Engines", "Ada Lovelace")
    assert document.published_at == datetime(2024, 3, 1, 10, tzinfo=UTC)
    assert document.content.startswith(
        "# The engine\n\nIt has snake_case and 2*3 in it.\n\n**So bold.**\n\n## Parts\n\n|"
    )
    assert "| a | b |" in document.content
    assert "| c | d |" in document.content


BOMB = '<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (docx(paragraph("&b;"), doctype=BOMB), "declares entities"),
        (docx(paragraph("x" * 120_000_000)), "unpacks to more than"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "encrypted, or of Word's old format"),
        (b"PK\x03\x04", "not a Word document"),
        (docx("<w:p><w:broken"), "cannot be read"),
        (docx("<w:p>" * 20_000 + "</w:p>" * 20_000), "cannot be read|no text"),
    ],
)
def test_hostile_word_documents_give_a_reason(tmp_path: Path, looks: Looks, data: bytes, reason: str) -> None:
    (tmp_path / "a.docx").write_bytes(data)
    [rejected] = looks(tmp_path)
    assert isinstance(rejected, Rejected)
    assert re.search(reason, rejected.reason), rejected.reason


def test_a_reader_that_takes_too_much_time_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "LEAST_SECONDS", 1)
    monkeypatch.setattr(extraction, "SECONDS_PER_MEGABYTE", 0)
    deep = "<w:p><w:r><w:t>x</w:t></w:r></w:p>" * 900_000
    with pytest.raises(CollectionError, match=r"cannot be read as DOCX: the reader ended|took more than"):
        extraction.extract(docx(deep), "docx")


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_file_gives_text_or_a_reason(seed: int) -> None:
    random = Random(seed)
    name, whole = [("pdf", pdf(PAGES, INFO)), ("docx", docx(paragraph("Some words.") * 50))][seed % 2]
    data = bytearray(whole)
    for _ in range(random.randrange(1, 60)):
        data[random.randrange(len(data))] = random.randrange(256)
    try:
        extracted = extraction.extract(bytes(data), "pdf" if name == "pdf" else "docx")
    except CollectionError as error:
        assert error.message  # noqa: PT017 (either is right)
    else:
        extracted.content.encode()
