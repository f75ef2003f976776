"""Text that is hidden from a reader and not from a model: invisible characters, encodings, look-alikes, chat templates.

What an encoding hides is decoded and looked at by the other guards too (`plainly`); that something is encoded is no
reason by itself, since people do ask about base64.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from typing import TYPE_CHECKING

from twin.guards.guard import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twin.guards.findings import Span
    from twin.guards.guard import Seen

__all__ = ["HiddenText", "plainly"]

_INVISIBLE = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]+"
)
"""Soft hyphens, direction marks, tags. Joiners (U+200C, U+200D) belong to Persian, Hindi and emoji, and stay."""
_TEMPLATE = re.compile(
    r"<\|[\w ]{1,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|^#{2,3} ?(?:Instruction|System):", re.M
)
_BASE64 = re.compile(r"(?<![\w+/])[A-Za-z0-9+/]{16,}={0,2}(?![\w+/])")
_HEX = re.compile(r"(?<!\w)(?:[0-9a-fA-F]{2}[ :]?){12,}(?!\w)")
_SPACED = re.compile(r"(?<!\S)(?:\w[ .\-_*]){5,}\w(?!\S)")
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁһԛԝАВЕКМНОРСТХІЈЅοαενικτυρΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "aeopcyxijsdhqwABEKMHOPCTXIJSoaevikTupABEZHIKMNOPTYX"
)
_LATIN = re.compile(r"[a-zA-Z]")
_OTHER = re.compile(r"[\u0370-\u052f]")
_WORD = re.compile(r"\w+")
_READABLE = 0.9
_COMMON = frozenset(
    (
        "the",
        "and",
        "you",
        "your",
        "all",
        "to",
        "of",
        "is",
        "in",
        "how",
        "what",
        "ignore",
        "show",
        "tell",
        "me",
        "instructions",
    )
)


class HiddenText(Rule):
    """Invisible characters and chat templates' tokens; both can be taken out."""

    name = "hidden_text"

    def found(self, seen: Seen) -> list[tuple[str, Span]]:
        """Kinds and places."""
        invisible = [("invisible", match.span()) for match in _INVISIBLE.finditer(seen.text)]
        return invisible + [("template_token", match.span()) for match in _TEMPLATE.finditer(seen.text)]


def plainly(text: str) -> list[str]:
    """Other readings of a text, where it has any: decoded, with look-alikes put back, with spaced letters joined."""
    return list(dict.fromkeys(reading for reading in _readings(text) if reading != text))


def _readings(text: str) -> Iterator[str]:
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    plain = _WORD.sub(lambda match: _latin(match[0]), plain)
    spaced = _SPACED.sub(lambda match: re.sub(r"[ .\-_*]", "", match[0]), plain)
    yield spaced
    for match in _BASE64.finditer(text):
        yield from _decoded(match[0], lambda found: base64.b64decode(found + "=" * (-len(found) % 4)))
    for match in _HEX.finditer(text):
        yield from _decoded(match[0], lambda found: bytes.fromhex(re.sub(r"[ :]", "", found)))
    turned = codecs.encode(text, "rot13")
    if _common(turned) > max(2, _common(text)):
        yield turned


def _latin(word: str) -> str:
    """A word that mixes Latin letters with others that look the same, all in Latin."""
    return word.translate(_LOOKALIKES) if _LATIN.search(word) and _OTHER.search(word) else word


def _decoded(found: str, decode: Callable[[str], bytes]) -> Iterator[str]:
    try:
        text = decode(found).decode("utf-8")
    except (ValueError, binascii.Error):
        return
    if text and sum(char.isprintable() or char.isspace() for char in text) / len(text) > _READABLE:
        yield text


def _common(text: str) -> int:
    return sum(word in _COMMON for word in text.lower().split())
