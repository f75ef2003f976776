"""Notes of an Obsidian vault, to plain markdown: links by name, embeds, callouts, tags.

Comments and queries are left out where every text's are, see `twin.collection.withheld.pieces`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SIGN", "is_vault", "plain"]

SIGN = ".obsidian"
"""The folder with the vault's settings."""
FENCED = r"^ {0,3}(?P<fence>```+|~~~+).*?(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)"
CODE = re.compile(rf"{FENCED}|`[^`\n]+`", re.MULTILINE | re.DOTALL)
EMBED = re.compile(r"!\[\[([^\[\]\n]{1,500})\]\]")
WIKILINK = re.compile(r"\[\[([^\[\]\n]{1,500})\]\]")
CALLOUT = re.compile(r"^(?P<quote>(?:>[ \t]?)+)\[!(?P<kind>[\w-]{1,40})\][+-]?[ \t]*(?P<title>.*)$", re.MULTILINE)
TAG_LINE = re.compile(r"^[ \t]*(?:(?:tags?:[ \t]*)?#[\w/-]+[ \t,]*)+$\n?", re.MULTILINE | re.IGNORECASE)
BLOCK_ID = re.compile(r"[ \t]+\^[A-Za-z0-9-]+[ \t]*$", re.MULTILINE)
HIGHLIGHT = re.compile(r"==(?=\S)([^=\n]{1,500}?)(?<=\S)==")
NOT_NOTES = re.compile(r"\.(?!md$)[a-z0-9]{2,5}$", re.IGNORECASE)


def is_vault(folder: Path) -> bool:
    """Whether Obsidian keeps this folder."""
    return (folder / SIGN).is_dir()


def plain(markdown: str) -> str:
    """The note without what only Obsidian understands. Code is left as it is."""
    parts, position = [], 0
    for found in CODE.finditer(markdown):
        parts += [_prose(markdown[position : found.start()]), found[0]]
        position = found.end()
    return "".join([*parts, _prose(markdown[position:])])


def _prose(text: str) -> str:
    text = EMBED.sub(lambda found: "" if NOT_NOTES.search(_target(found[1])) else _shown(found[1]), text)
    text = WIKILINK.sub(lambda found: _shown(found[1]), text)
    text = CALLOUT.sub(
        lambda found: f"{found['quote']}**{found['title'].strip() or found['kind'].capitalize()}**", text
    )
    text = TAG_LINE.sub("", text)
    text = BLOCK_ID.sub("", text)
    return HIGHLIGHT.sub(r"\1", text)


def _target(inner: str) -> str:
    return inner.split("|")[0].split("#")[0].strip()


def _shown(inner: str) -> str:
    """What a reader sees of a link: its alias, else the note's name and the heading."""
    target, _, alias = inner.partition("|")
    if alias.strip():
        return alias.strip()
    name, _, heading = target.partition("#")
    shown = [
        name.strip().rsplit("/", 1)[-1],
        *(part.strip() for part in heading.split("#") if not part.startswith("^")),
    ]
    return " > ".join(part for part in shown if part)
