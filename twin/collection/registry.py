"""Which collectors there are: the modules of `twin.collection.collectors`, and what other packages add.

Another package adds one by an entry point of the group `llm_twin.collectors` that leads to a `Collector`.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from twin.collection import collectors
from twin.errors import SettingsError

if TYPE_CHECKING:
    from twin.collection.collector import Collector

__all__ = ["ENTRY_POINTS", "all_collectors", "collector_of"]

ENTRY_POINTS = "llm_twin.collectors"


@cache
def all_collectors() -> tuple[Collector, ...]:
    """Every collector, in the order in which they are asked whether a location is theirs.

    Raises:
        SettingsError: Two of them have the same kind.
    """
    own = [
        import_module(f"{collectors.__name__}.{module.name}").COLLECTOR
        for module in pkgutil.iter_modules(collectors.__path__)
    ]
    found: list[Collector] = [*own, *(point.load() for point in entry_points(group=ENTRY_POINTS))]
    kinds = [collector.kind for collector in found]
    if twice := {kind for kind in kinds if kinds.count(kind) > 1}:
        raise SettingsError(f"More than one collector has the kind {', '.join(sorted(twice))}: uninstall one of them.")
    return tuple(sorted(found, key=lambda collector: (collector.rank, collector.kind)))


def collector_of(kind: str) -> Collector:
    """The collector of a kind of source.

    Raises:
        SettingsError: There is none; the package that had it may have been uninstalled.
    """
    for collector in all_collectors():
        if collector.kind == kind:
            return collector
    known = ", ".join(collector.kind for collector in all_collectors())
    raise SettingsError(f"No collector reads sources of kind {kind!r}. Known: {known}.")
