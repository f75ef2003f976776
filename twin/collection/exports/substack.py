"""What Substack's export says of its posts in the table beside them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from twin.errors import CollectionError
from twin.text import decoding

if TYPE_CHECKING:
    from pathlib import PurePath

__all__ = ["FOLDER", "TABLE", "is_post", "unpublished"]

TABLE = "posts.csv"
FOLDER = "posts"
COLUMNS = frozenset({"post_id", "is_published"})


def is_post(path: PurePath) -> bool:
    """Whether a file lies where Substack puts posts; the table lies beside that folder."""
    return path.parent.name == FOLDER and path.suffix.lower() == ".html"


def unpublished(table: bytes) -> frozenset[str]:
    """The names, without their ending, of the posts that were never published; none for another program's table."""
    try:
        rows = csv.DictReader(io.StringIO(decoding.decode(table), newline=""))
        if not {*(rows.fieldnames or ())} >= COLUMNS:
            return frozenset()
        return frozenset(row["post_id"] for row in rows if (row["is_published"] or "").strip().lower() == "false")
    except (CollectionError, csv.Error):
        return frozenset()
