"""What was found out about one model before, so that the base is not asked again for each model that is tuned."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["remembered"]

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=msgspec.Struct)


class Files(Protocol):
    """What is needed of an artifact store."""

    def read(self, path: str) -> bytes | None: ...

    def write(self, path: str, content: bytes) -> None: ...


def remembered(
    store: Files, name: str, keys: Sequence[str], kind: type[T], find_out: Callable[[list[int]], list[T]]
) -> list[T]:
    """The findings of `keys`, from the file `name` of the store where they are in it.

    `find_out` is given the places of the others in `keys`, and not called when there are none.
    """
    known = _read(store, name, kind)
    places = {key: place for place, key in enumerate(keys) if key not in known}
    if places:
        found = find_out(list(places.values()))
        known |= dict(zip(places, found, strict=True))
        store.write(name, msgspec.json.encode(known))
    return [known[key] for key in keys]


def _read(store: Files, name: str, kind: type[T]) -> dict[str, T]:
    kept = store.read(name)
    if kept is None:
        return {}
    try:
        found = msgspec.json.decode(kept, type=dict[str, msgspec.Raw])
        return {key: msgspec.json.decode(finding, type=kind) for key, finding in found.items()}
    except msgspec.DecodeError as error:
        logger.warning("%s cannot be read and is made anew: %s", name, error)
        return {}
