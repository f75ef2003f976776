"""Why a document is not taken, in the words that a person reads."""

from __future__ import annotations

from twin.records import Rejected

__all__ = ["failed", "refused", "too_large"]


def refused(url: str, reason: str) -> Rejected:
    """We decided not to take it."""
    return Rejected(url=url, reason=reason, refused=True)


def failed(url: str, reason: str) -> Rejected:
    """We could not get or read it."""
    return Rejected(url=url, reason=reason, refused=False)


def too_large(size: int | None, limit: int) -> str:
    """The reason of a refusal for size. `size` in bytes; None when reading stopped at the limit."""
    found = f"it has {size:,} bytes" if size is not None else "it is larger"
    return f"too large: {found}; at most {limit:,} are read (COLLECTION_MAX_BYTES raises that)"
