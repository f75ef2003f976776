"""What a run has seen, on disk: a hundred thousand ids in Python would be ten megabytes, a million a hundred.

SQLite's own temporary database: it has no name, lives in the page cache until it grows, and vanishes when it is closed.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Candidate", "Doubt", "Seen"]

Doubt = Literal["missing", "gone", "withheld"]
"""Why a document may have to be removed: its source shows it no more, says that it is no more, or withholds it."""

CACHE_KIB = 8_192
SCHEMA = """
CREATE TABLE shown (document TEXT, source INTEGER, PRIMARY KEY (document, source)) WITHOUT ROWID;
CREATE TABLE unfit (document TEXT, source INTEGER, PRIMARY KEY (document, source)) WITHOUT ROWID;
CREATE TABLE candidates (
    source INTEGER, document TEXT, url TEXT, reason TEXT, doubt TEXT, PRIMARY KEY (source, document)
) WITHOUT ROWID;
"""


class Candidate(NamedTuple):
    """A document that may have to be removed."""

    document: str
    url: str
    reason: str | None = None
    """What the source said of it; None for one that is merely missing."""
    doubt: Doubt = "missing"


class Seen:
    """Which documents which source has shown, and which may be gone. Sources are told by small numbers."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KIB}; {SCHEMA}"
        )

    def show(self, document: str, source: int) -> bool:
        """Notes that a source shows a document; whether this is the first time that it does."""
        return bool(self._database.execute("INSERT OR IGNORE INTO shown VALUES (?, ?)", (document, source)).rowcount)

    def has_shown(self, document: str, source: int) -> bool:
        """Whether a source has shown a document."""
        ask = "SELECT 1 FROM shown WHERE document = ? AND source = ?"
        return self._database.execute(ask, (document, source)).fetchone() is not None

    def note_unfit(self, document: str, source: int) -> None:
        """Notes that what a source shows of a document cannot be stored."""
        self._database.execute("INSERT OR IGNORE INTO unfit VALUES (?, ?)", (document, source))

    def is_unfit(self, document: str, source: int) -> bool:
        """Whether what a source shows of a document cannot be stored."""
        ask = "SELECT 1 FROM unfit WHERE document = ? AND source = ?"
        return self._database.execute(ask, (document, source)).fetchone() is not None

    def doubt(self, source: int, candidates: Iterable[Candidate]) -> None:
        """Notes documents that may have to be removed; what a source says of one counts for more than its absence."""
        self._database.executemany(
            "INSERT INTO candidates VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET reason = excluded.reason, doubt = excluded.doubt WHERE excluded.doubt != 'missing'",
            [(source, *candidate) for candidate in candidates],
        )

    def forget_shown(self) -> None:
        """Takes back doubts about documents that some source has shown after all."""
        self._database.execute("DELETE FROM candidates WHERE document IN (SELECT document FROM shown)")

    def shown_elsewhere(self) -> Iterator[tuple[str, str, int, int]]:
        """Document, location, the source that misses it and one that shows it, for each such document."""
        yield from self._database.execute(
            "SELECT c.document, c.url, c.source, MIN(s.source) FROM candidates c JOIN shown s USING (document) "
            "WHERE c.doubt != 'gone' GROUP BY c.document, c.source"
        )

    def shown_nowhere(self) -> Iterator[tuple[str, str, int]]:
        """Document, location and the source that misses it, for each that no source of the run was seen to show."""
        yield from self._database.execute(
            "SELECT document, url, source FROM candidates WHERE doubt != 'gone' "
            "AND document NOT IN (SELECT document FROM shown)"
        )

    def doubts(self) -> dict[int, dict[Doubt, int]]:
        """How many documents of each source may have to be removed, by why."""
        rows = self._database.execute("SELECT source, doubt, COUNT(*) FROM candidates GROUP BY source, doubt")
        found: dict[int, dict[Doubt, int]] = {}
        for source, doubt, count in rows:
            found.setdefault(source, {"missing": 0, "gone": 0, "withheld": 0})[doubt] = count
        return found

    def candidates(self, source: int, doubt: Doubt) -> Iterator[Candidate]:
        """The documents of a source that may have to be removed for one reason."""
        rows = self._database.execute(
            "SELECT document, url, reason, doubt FROM candidates WHERE source = ? AND doubt = ?", (source, doubt)
        )
        yield from map(Candidate._make, rows)

    def close(self) -> None:
        """Frees the space."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
