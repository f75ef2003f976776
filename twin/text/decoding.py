"""Bytes to text: what is text at all, in which encoding, and when that cannot be told with confidence."""

from __future__ import annotations

import codecs
import re

from twin.errors import SourceFailed, SourceRefused

__all__ = ["decode", "encoding_named", "looks_binary"]

SNIFFED_BYTES = 8_192
DETECTION_BYTES = 100_000
MAX_CHAOS = 0.1
"""charset-normalizer's measure of mess in the text it decoded: 0 is clean, 0.2 is its own limit."""

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NO_ENCODINGS = frozenset({"undefined", "idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7"})
"""Codecs of Python that no text is written in: they read ASCII as something else, or raise errors of their own."""
HIGH_BYTES = bytes(range(0x80, 0x100))
LEAST_EVIDENCE = 6
"""Non-ASCII bytes that a text must have for its encoding to be detected."""
CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\r\f\v\b\x1b"))


def decode(data: bytes, declared: str | None = None) -> str:
    """The text of `data`. `declared` is the encoding that its carrier named, for example an HTTP header.

    Order: byte order mark, UTF-8, what was declared, what charset-normalizer detects.

    Raises:
        SourceRefused: It is not text.
        SourceFailed: It is text, but in no encoding that can be told with confidence; says where it breaks.
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _decode_strictly(data, encoding)
    if looks_binary(data):
        raise SourceRefused("it is a binary file, not text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = error
    if declared and (text := _try(data, declared)) is not None:
        return text
    if _is_mostly_utf8(data) or _too_little_to_tell(data):
        line = data.count(b"\n", 0, problem.start) + 1
        raise SourceFailed(f"broken UTF-8 at byte {problem.start} (line {line}): repair it, or save it as UTF-8")
    if encoding := _detected(data):
        return _decode_strictly(data, encoding)
    raise SourceFailed("its text encoding cannot be told with confidence: save it as UTF-8")


def encoding_named(name: str) -> str | None:
    """Python's name of the encoding that a carrier names; None for one that is not known, or in which no text is."""
    try:
        found = codecs.lookup(name)
        "".encode(found.name)  # a LookupError for what makes bytes of bytes, such as base64
    except (LookupError, ValueError):  # a name with a NUL in it is a ValueError
        return None
    return None if found.name in NO_ENCODINGS else found.name


def looks_binary(data: bytes) -> bool:
    """Whether the beginning of `data` has what no text has."""
    head = data[:SNIFFED_BYTES]
    if head.startswith((b"%PDF-", b"\x89PNG", b"PK\x03\x04", b"\x1f\x8b", b"\xff\xd8\xff")):
        return True
    controls = len(head) - len(head.translate(None, CONTROL_BYTES))
    return b"\0" in head or controls > len(head) // 100


def _decode_strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SourceFailed(f"broken {encoding.upper()} at byte {error.start}: repair it, or save it as UTF-8") from None


def _try(data: bytes, declared: str) -> str | None:
    encoding = encoding_named(declared)
    try:
        return data.decode(encoding) if encoding else None
    except UnicodeError:
        return None


def _is_mostly_utf8(data: bytes) -> bool:
    """Whether more of the non-ASCII characters are valid UTF-8 than are not.

    A legacy encoding hardly ever makes valid multi-byte sequences, so such data is UTF-8 that was damaged.
    """
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    valid = len(re.findall(r"[^\x00-\x7f\ufffd]", text))
    return valid > broken


def _too_little_to_tell(data: bytes) -> bool:
    """Whether a detector would guess from next to nothing: single bytes of almost any encoding decode to *something*,
    and a wrong guess would be published as the author's text."""
    return len(data) - len(data.translate(None, HIGH_BYTES)) < LEAST_EVIDENCE


def _detected(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(_sample(data), enable_fallback=False).best()
    if best is None or best.chaos > MAX_CHAOS:
        return None
    return best.encoding


def _sample(data: bytes) -> bytes:
    """The part of `data` around its first non-ASCII byte; detecting over all of a large file takes minutes."""
    if len(data) <= DETECTION_BYTES:
        return data
    first = re.search(rb"[\x80-\xff]", data)
    start = max(0, (first.start() if first else 0) - DETECTION_BYTES // 2)
    return data[start : start + DETECTION_BYTES]
