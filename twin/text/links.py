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


def without_targets(text: str) -> str:
    """The text with `[words](address)` as `[words]`, images alike. Nothing else changes, and no word of text goes.

    A `data:` address stays, so that its size is seen. In code, `f[0](a/b)` reads as a link, too.
    """
    return TARGET.sub("]", text) if "](" in text else text
