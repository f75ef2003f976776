"""What hosts ask of robots (RFC 9309)."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from protego import Protego

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["MAX_AGE_SECONDS", "MAX_ROBOTS_BYTES", "Rules", "RulesOfHosts", "robots_url"]

MAX_AGE_SECONDS = 24 * 3_600.0
MAX_ROBOTS_BYTES = 500 * 1_024
"""What comes after it is not read, as RFC 9309 allows."""
MAX_KEPT = 1_000
LARGE_CHARS = 50_000
"""A longer file is read and matched in a thread, as it could hold up the others."""
AGENT_LINE = re.compile(r"\s*user[- ]?agent\s*:?\s*([^#]*)", re.IGNORECASE)
BETWEEN_AGENTS = re.compile(r"\s*(?:#|$|site-?maps?\b|host\b)", re.IGNORECASE)
URL = re.compile(r"https?://\S+")
PRODUCT = re.compile(r"([A-Za-z_][\w-]*)/")

T = TypeVar("T")


class Rules:
    """The rules of one robots.txt for one robot."""

    def __init__(self, text: str, user_agent: str) -> None:
        self._parsed = Protego.parse(_groups_of(text, _products(user_agent)))
        self._user_agent = user_agent
        self._large = len(text) > LARGE_CHARS

    @property
    def delay(self) -> float:
        """Seconds between requests; 0 when none are asked for."""
        return self._parsed.crawl_delay(self._user_agent) or 0.0

    async def allow(self, url: str) -> bool:
        """Whether this robot may ask for `url`."""
        return await _aside(self._large, lambda: self._parsed.can_fetch(url, self._user_agent))


class RulesOfHosts:
    """Reads each host's robots.txt once, and again after a day."""

    def __init__(self, read: Callable[[str], Awaitable[str]], user_agent: str, monotonic: Callable[[], float]) -> None:
        """`read` gives the text at a robots.txt's URL; what it raises is raised to whoever asked for the rules."""
        self._read = read
        self._user_agent = user_agent
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, Rules]] = {}
        self._reading: dict[str, asyncio.Lock] = {}

    async def of(self, url: str) -> Rules:
        """The rules for a page."""
        place = robots_url(url)
        if rules := self._fresh(place):
            return rules
        async with self._reading.setdefault(place, asyncio.Lock()):
            if rules := self._fresh(place):
                return rules
            try:
                text = await self._read(place)
            finally:
                self._reading.pop(place, None)
            rules = await _aside(len(text) > LARGE_CHARS, lambda: Rules(text, self._user_agent))
            if len(self._kept) >= MAX_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[place] = (self._monotonic(), rules)
            return rules

    def _fresh(self, place: str) -> Rules | None:
        kept = self._kept.get(place)
        return kept[1] if kept and self._monotonic() - kept[0] < MAX_AGE_SECONDS else None


def robots_url(url: str) -> str:
    """Where the rules for `url` are."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/robots.txt"


async def _aside(large: bool, work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work) if large else work()


def _products(user_agent: str) -> set[str]:
    """The names by which a robots.txt may mean this robot: `llm-twin` of `llm-twin/0.1 (+https://...)`."""
    lower = URL.sub("", user_agent.lower())
    return set(PRODUCT.findall(lower)) or {lower.partition(" ")[0]}


def _groups_of(text: str, products: set[str]) -> str:
    """The groups of a robots.txt that may concern this robot.

    The parser works through every rule for every robot of a group, so half a megabyte of both takes it hours.
    """
    kept: list[str] = []
    concerned = among_agents = False
    for line in text.splitlines():
        if agent := AGENT_LINE.match(line):
            concerned = concerned and among_agents
            among_agents = True
            name = agent[1].strip().lower().partition("/")[0]
            name = name if name == "*" else name.replace("*", "")
            if name == "*" or name in products:
                concerned = True
                kept.append(f"User-agent: {name}")
        elif not BETWEEN_AGENTS.match(line):
            among_agents = False
            if concerned:
                kept.append(line)
    return "\n".join(kept)
