"""PDF by PDFium: the text of each page by lines, with the size of its letters, which tells headings."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from twin.collection.pages.extraction import Extracted
from twin.collection.pages.extraction.layout import Line, to_markdown
from twin.errors import SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read"]

MAX_PAGES = 3_000
LEAST_LETTERS_A_PAGE = 8
"""On average; below it the pages are pictures of text."""
SAMPLED_LETTERS = 3
LINE_ENDS = {10: "", 13: "", 2: "\xad", 0xFFFE: "\xad"}
"""What PDFium gives at the end of a line: a line break or, where a hyphen cuts a word, one of two marks instead."""
DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:Z|([+-])(\d\d)'?(\d\d)?)?")
FILE_NAME = re.compile(
    r"^(?:Microsoft Word - |untitled|.{0,200}\.(?:docx?|odt|tex|indd|pptx?|pages|md|html?)$)", re.IGNORECASE
)


def read(data: bytes) -> Extracted:
    """The text of a PDF.

    Raises:
        SourceRefused: It is encrypted, has too many pages, or has no text.
        SourceFailed: It is not a PDF, or too damaged.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise SourceRefused("it is encrypted: save it without a password") from None
        raise SourceFailed(
            f"it cannot be read as PDF: {str(error).rstrip('.')}. Save it anew, or export it as text"
        ) from None
    if len(document) > MAX_PAGES:
        raise SourceRefused(f"it has {len(document):,} pages; at most {MAX_PAGES:,} are read")
    pages = [_lines(document[number]) for number in range(len(document))]
    letters = sum(len(line.text) for page in pages for line in page)
    if letters < LEAST_LETTERS_A_PAGE * max(len(pages), 1):
        raise SourceRefused("it has no text, as scans have none: run text recognition over it first")
    content = to_markdown(pages)
    about = document.get_metadata_dict()
    title = " ".join((about.get("Title") or "").split())
    return Extracted(
        content=content,
        title=title if title and not FILE_NAME.match(title) else None,
        author=" ".join((about.get("Author") or "").split()) or None,
        created_at=_date(about.get("CreationDate") or ""),
    )


def _lines(page: Any) -> list[Line]:
    text_page = page.get_textpage()
    found = [line for start, text in _runs(text_page) if (line := _line(text_page, start, text)) is not None]
    text_page.close()
    page.close()
    return found


def _runs(text_page: Any) -> Iterator[tuple[int, str]]:
    """Each line's first character's number and its text."""
    from pypdfium2 import raw

    start, letters = 0, []
    for number in range(text_page.count_chars()):
        code = raw.FPDFText_GetUnicode(text_page, number)
        if code in LINE_ENDS:
            yield start, "".join(letters) + LINE_ENDS[code]
            start, letters = number + 1, []
        else:
            letters.append(chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\0")
    yield start, "".join(letters)


def _line(text_page: Any, start: int, text: str) -> Line | None:
    if not text.strip(" \t\0"):
        return None
    places = [start + at for at, letter in enumerate(text) if letter.isalnum()] or [start]
    boxes = [text_page.get_charbox(place, loose=True) for place in places[:SAMPLED_LETTERS]]
    right = text_page.get_charbox(places[-1], loose=True)[2]
    left, bottom, _, top = boxes[0]
    size = sorted(abs(box[3] - box[1]) for box in boxes)[len(boxes) // 2]
    text = text.replace("\0", "").strip()
    return Line(text=text, size=round(size * 2) / 2, top=top, bottom=bottom, left=left, right=right)


def _date(value: str) -> datetime | None:
    found = DATE.match(value)
    if not found:
        return None
    year, month, day, hour, minute, second = (
        int(part) if part else least for part, least in zip(found.groups()[:6], (1, 1, 1, 0, 0, 0), strict=True)
    )
    offset = timedelta(hours=int(found[8] or 0), minutes=int(found[9] or 0))
    try:
        zone = timezone(-offset if found[7] == "-" else offset)
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
