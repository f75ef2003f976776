"""The live generation, open for reading, and followed when another one becomes live."""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from typing import TYPE_CHECKING, NamedTuple

from twin.errors import IndexUnavailable
from twin.features.index import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qdrant_edge import EdgeShard

    from twin.features.index.generations import Generations

__all__ = ["LiveGeneration", "Opened"]

FOLLOW_SECONDS = 0.2
"""How often a reader looks whether another generation has become live."""

logger = logging.getLogger(__name__)


class Opened(NamedTuple):
    """An open generation."""

    generation: str
    shard: EdgeShard


class _Followed(NamedTuple):
    opened: Opened
    stamp: tuple[int, int]
    """Of the switch that it was opened for."""


class LiveGeneration:
    """What searches are answered from.

    The first use opens the live generation and starts to watch for a switch. From then on no search waits: the next
    generation is opened, and read in, beside the open one, which answers until that is done. When the live generation
    cannot be opened, the one that is open goes on answering, or else the newest one before it; `examine` tells.
    """

    def __init__(self, generations: Generations, load: Callable[[str], EdgeShard]) -> None:
        self._generations = generations
        self._load = load
        self._followed: _Followed | None = None
        self._problem: str | None = None
        self._opening = threading.Lock()
        self._watcher: threading.Thread | None = None
        self._stop = threading.Event()

    def get(self) -> Opened:
        """The open generation.

        Raises:
            IndexUnavailable: Nothing has been published, or no generation can be opened.
        """
        followed, watcher = self._followed, self._watcher
        opened = followed.opened if followed else self._follow()
        if watcher is None or not watcher.is_alive():  # not started yet, or lost in a fork
            self._watch()
        return opened

    def generation(self) -> str | None:
        """The generation that searches are answered from; the live one before the first search."""
        followed = self._followed
        return followed.opened.generation if followed else self._generations.current()

    def catch_up(self) -> None:
        """Follows a switch now, if anything is open."""
        if self._followed is not None:
            self._follow()

    def examine(self) -> str | None:
        """Why searches are not answered from the live generation, and what to do; None when they are."""
        try:
            self._follow()
        except IndexUnavailable as error:
            return error.message
        return self._problem

    def close(self) -> None:
        """Lets the open generation go; searches that still run on it finish first."""
        self._stop.set()
        self._followed = self._watcher = None

    def _follow(self) -> Opened:
        """Opens the generation that is live now, unless it is open."""
        with self._opening:
            while (followed := self._followed) is None or followed.stamp != self._generations.stamp():
                self._open_live()
            return followed.opened

    def _open_live(self) -> None:
        """Opens nothing if the live generation was replaced, and perhaps removed, in the meantime."""
        stamp, live = self._generations.stamp(), self._generations.current()
        if stamp is None or live is None:
            raise contract.nothing_published(str(self._generations.root))
        try:
            self._followed, self._problem = _Followed(Opened(live, self._load(live)), stamp), None
        except IndexUnavailable as error:
            if self._generations.stamp() == stamp:
                self._fall_back(live, stamp, error)

    def _fall_back(self, live: str, stamp: tuple[int, int], error: IndexUnavailable) -> None:
        kept = self._followed.opened if self._followed else next(self._openable_before(live), None)
        if kept is None:
            raise error
        self._problem = f"{error.message} Until then, searches are answered from generation {kept.generation}."
        logger.warning(self._problem)
        self._followed = _Followed(kept, stamp)

    def _openable_before(self, live: str) -> Iterator[Opened]:
        """The generations before the live one that can be opened, newest first."""
        for name in reversed(self._generations.names()):
            if name < live:
                with contextlib.suppress(IndexUnavailable):
                    yield Opened(name, self._load(name))

    def _watch(self) -> None:
        with self._opening:
            if self._watcher is not None and self._watcher.is_alive():
                return
            self._stop = threading.Event()
            self._watcher = threading.Thread(
                target=_follow_on, args=(weakref.ref(self), self._stop), name="index-follower", daemon=True
            )
            weakref.finalize(self, _end, self._stop, self._watcher)
            self._watcher.start()


def _follow_on(reference: weakref.ref[LiveGeneration], stop: threading.Event) -> None:
    """Opens what becomes live, until the reader is closed or gone."""
    while not stop.wait(FOLLOW_SECONDS):
        reader = reference()
        if reader is None:
            return
        try:
            reader.catch_up()
        except Exception:
            logger.exception("The live index generation could not be followed; the open one goes on answering.")
        del reader


def _end(stop: threading.Event, watcher: threading.Thread) -> None:
    """Ends a watcher before the interpreter takes the engine's code away from under it."""
    stop.set()
    if watcher is not threading.current_thread() and watcher.is_alive():
        watcher.join()
