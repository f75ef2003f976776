"""A fault in one document is that document's alone, also in the steps after collection."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import msgspec

from twin.errors import TwinError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LeftOut", "attempt"]

T = TypeVar("T")

logger = logging.getLogger(__name__)


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A document that a step could not deal with; the step tries it again at its next run."""

    url: str
    reason: str


def attempt(url: str, doing: str, work: Callable[[], T]) -> T | LeftOut:
    """What `work` makes of the document at `url`; what was being done to it and why it failed, when it fails.

    Raises:
        TwinError, OSError, ImportError: Something that every document needs is missing or does not answer.
    """
    try:
        return work()
    except (TwinError, OSError, ImportError):
        raise
    except Exception as error:
        logger.exception("%s failed while it was %s", url, doing)
        # Without the error's own words: they may repeat what is to be redacted
        return LeftOut(url=url, reason=f"{type(error).__name__} while it was {doing}; the log has more")
