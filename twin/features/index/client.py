"""How qdrant-client is spoken to: filters in its form, and its errors in ours."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from twin.errors import IndexUnavailable
from twin.features.index import contract

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from qdrant_client import models

    from twin.features.index.contract import Filters

__all__ = ["filter_of", "translated"]

NOT_FOUND = 404


@contextlib.contextmanager
def translated(place: str) -> Generator[None]:
    """Turns what qdrant-client raises into IndexUnavailable with the server's URL and what to do."""
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    try:
        yield
    except ResponseHandlingException as error:
        raise IndexUnavailable(
            f"The Qdrant server at {place} does not answer: {error}. "
            "Check QDRANT_URL and that it is running, or unset QDRANT_URL to use the index in TWIN_HOME."
        ) from error
    except UnexpectedResponse as error:
        if error.status_code == NOT_FOUND:
            raise contract.nothing_published(place) from error
        raise IndexUnavailable(
            f"The Qdrant server at {place} refused: HTTP {error.status_code} {error.reason_phrase}. Check "
            "QDRANT_API_KEY and the server's log.",
            detail=error.content.decode("utf-8", "replace"),
        ) from error
    except ValueError as error:
        if not str(error).startswith("Collection "):  # qdrant-client in memory has no HTTP status
            raise
        raise contract.nothing_published(place) from error


def filter_of(filters: Filters) -> models.Filter | None:
    """Filters as qdrant-client takes them; None when they restrict nothing."""
    from qdrant_client import models

    wanted: list[Any] = [_any_of(key, values) for key, values in filters.keywords.items()]
    if bounds := filters.published_bounds:
        wanted.append(models.FieldCondition(key="published_at", range=models.DatetimeRange(**bounds)))
    unwanted: list[Any] = []
    if filters.excluded_documents:
        unwanted.append(_any_of("document_id", filters.excluded_documents))
    return models.Filter(must=wanted or None, must_not=unwanted or None) if wanted or unwanted else None


def _any_of(field: str, values: Sequence[str]) -> models.FieldCondition:
    from qdrant_client import models

    return models.FieldCondition(key=field, match=models.MatchAny(any=[*values]))
