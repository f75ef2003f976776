"""Links in markdown, as far as reading a text goes: what is linked is text, where the link leads is not."""

from __future__ import annotations

import re

__all__ = ["blank_addresses", "without_addresses", "without_links", "without_targets"]

TARGET = re.compile(
    r"""\]\(
    (?!<?data:)                                                       # which is content, and may be huge
    <?(?:[a-z][a-z0-9+.-]*:|[./\#?]|[\w%-]+(?:/|\.(?:md|html?)\b))  # an address, not the arguments of a call
    [^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*>?                           # brackets may be part of it, in pairs
    (?:\s+(?:"[^"\n]*"|'[^'\n]*'))?\s*\)""",
    re.VERBOSE | re.IGNORECASE,
)

ABSOLUTE = re.compile(r"\]\(<?[a-z][a-z0-9+.-]*:", re.IGNORECASE)
MAX_LABEL_CHARS = 1_000
"""How far back the words of a link may begin."""

LINK = re.compile(r"!?\[[^\]]*\]\([^)]*\)|https?://\S+")
ADDRESS = re.compile(r"https?://\S+|\]\([^)\s]*\)")
BARE_ADDRESS = re.compile(r"https?://[^\s)>\]\"']+")
ANY_TARGET = re.compile(r"\]\([^)\s]+")


def without_targets(text: str) -> str:
    """The text with `[words](address)` as `[words]`, images alike. Nothing else changes, and no word of text goes.

    A `data:` address stays, so that its size is seen, and so do the arguments of a call in code, `f[0](a/b)`.
    """
    return TARGET.sub(_without_target, text) if "](" in text else text


def without_addresses(text: str) -> str:
    """The text with a blank for each address, written out or behind words. Rough: the arguments of a call go too.

    For judging the rest by its letters, fast.
    """
    return ADDRESS.sub(" ", text)


def blank_addresses(text: str) -> str:
    """The text without addresses, where the marks around them stay.

    Signatures of near-duplicates are of what this leaves: a change here raises `cleaning.VERSION`.
    """
    return ANY_TARGET.sub("](", BARE_ADDRESS.sub(" ", text))


def without_links(text: str) -> str:
    """The text with a blank for each link, its words too. For judging how much is said besides."""
    return LINK.sub(" ", text)


def _without_target(found: re.Match[str]) -> str:
    if ABSOLUTE.match(found[0]):
        return "]"
    text, end = found.string, found.start()
    opened = text.rfind("[", max(0, end - MAX_LABEL_CHARS), end)
    is_call = opened > 0 and (text[opened - 1].isalnum() or text[opened - 1] in "_])")
    return found[0] if is_call else "]"
