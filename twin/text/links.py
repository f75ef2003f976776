"""Markdown links, as far as reading a text goes: what is linked is text, where the link leads is not."""

from __future__ import annotations

import re

__all__ = ["without_targets"]

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


def without_targets(text: str) -> str:
    """The text with `[words](address)` as `[words]`, images alike. Nothing else changes, and no word of text goes.

    A `data:` address stays, so that its size is seen, and so do the arguments of a call in code, `f[0](a/b)`.
    """
    return TARGET.sub(_without_target, text) if "](" in text else text


def _without_target(found: re.Match[str]) -> str:
    if ABSOLUTE.match(found[0]):
        return "]"
    text, end = found.string, found.start()
    opened = text.rfind("[", max(0, end - MAX_LABEL_CHARS), end)
    is_call = opened > 0 and (text[opened - 1].isalnum() or text[opened - 1] in "_])")
    return found[0] if is_call else "]"
