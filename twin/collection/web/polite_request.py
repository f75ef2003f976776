"""One polite request: in the host's turn, as its robots.txt allows, within the run's budget, again when it failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from twin.collection.web import urls
from twin.collection.web.pacing import Budget, Host, backoff, retry_after
from twin.collection.web.robots import MAX_ROBOTS_BYTES, RulesOfHosts
from twin.collection.web.source_hosts import host_of
from twin.collection.web.transport import ENCODINGS, ConnectionLost, Transport
from twin.errors import CollectionError, SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twin.collection.web.addresses import Resolver
    from twin.collection.web.pacing import Timing
    from twin.collection.web.transport import Reply
    from twin.settings import SourceSettings

__all__ = ["MAX_REDIRECTS", "Allowance", "Answer", "Asker"]

MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
RETRIED = (429, 500, 502, 503, 504)


class Answer(NamedTuple):
    """A reply that was read as far as it is wanted."""

    status: int
    sentence: str
    """What the server answered, for people."""
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes

    def redirect_from(self, url: str) -> str | None:
        """Where it sends on to, None when it does not.

        Raises:
            SourceFailed, SourceRefused: To nowhere, or to something that is not http or https.
        """
        if self.status not in REDIRECTS:
            return None
        return urls.redirect_target(url, self.headers.get("location", ""))


class Allowance:
    """The seconds that a fetch may still wait for servers. Waiting for one's turn does not count."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds


class _Trouble(NamedTuple):
    """What may be better after a while."""

    reason: str
    retry_after: float | None = None


class Asker:
    """Asks all hosts of a run. To be used in one event loop."""

    def __init__(self, settings: SourceSettings, resolver: Resolver, timing: Timing) -> None:
        self._settings = settings
        self._timing = timing
        self._transport = Transport(settings, resolver)
        self._slots = asyncio.Semaphore(settings.max_connections)
        self._hosts: dict[str, Host] = {}
        self._rules = RulesOfHosts(self._read_robots, settings.user_agent, timing.monotonic)
        self.budget = Budget(settings, timing)

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    async def check_robots(self, url: str) -> None:
        """Asks the host's robots.txt, and keeps to its `Crawl-delay` from now on.

        Raises:
            SourceRefused: It does not allow `url`.
            SourceFailed: It cannot be read, so nothing may be asked there (RFC 9309, section 2.3.1.4).
        """
        host = self._host(url)
        host.check()
        rules = await self._rules.of(url)
        host.crawl_delay = rules.delay
        if not await rules.allow(url):
            raise SourceRefused(f"the robots.txt of {host.name} does not allow it")

    async def ask(
        self, url: str, headers: dict[str, str], read: Callable[[Reply], Awaitable[bytes]], allowance: Allowance
    ) -> Answer:
        """The server's answer, whatever its status, with what `read` makes of it.

        Raises:
            SourceFailed: There was none within `allowance` and `settings.attempts`, or it was one that says to come
                back later; or the host was left alone before, or the budget is used up.
        """
        host = self._host(url)
        trouble = _Trouble("it was not asked")
        for attempt in range(self._settings.attempts):
            async with host.turn(), self._slots:
                self.budget.take_request()
                try:
                    outcome = await self._once(host, url, headers, read, allowance)
                except SourceFailed as failure:
                    host.failed(str(failure))
                    raise
            if isinstance(outcome, Answer):
                host.answered()
                return outcome
            trouble = outcome
            self._wait(host, trouble, attempt)
        host.failed(trouble.reason)
        times = f", {self._settings.attempts} times" if self._settings.attempts > 1 else ""
        raise SourceFailed(f"{trouble.reason}{times}")

    async def _once(
        self,
        host: Host,
        url: str,
        headers: dict[str, str],
        read: Callable[[Reply], Awaitable[bytes]],
        allowance: Allowance,
    ) -> Answer | _Trouble:
        sent = {"User-Agent": self._settings.user_agent, "Accept-Encoding": ", ".join(ENCODINGS)} | headers
        began = self._timing.monotonic()
        try:
            async with (
                asyncio.timeout(allowance.left),
                self._transport.open(url, sent, self.budget.take_bytes) as reply,
            ):
                if reply.status in RETRIED:
                    await reply.drain()
                    return _Trouble(reply.sentence, retry_after(reply.headers.get("retry-after"), self._timing.now()))
                return Answer(reply.status, reply.sentence, reply.headers, await read(reply))
        except ConnectionLost as lost:
            return _Trouble(str(lost))
        except TimeoutError:
            raise SourceFailed(
                f"it did not come within {self._settings.timeout_seconds:g} s (COLLECTION_TIMEOUT_SECONDS raises that)"
            ) from None
        finally:
            ended = self._timing.monotonic()
            allowance.left -= ended - began
            host.pause_after(began, ended)

    def _wait(self, host: Host, trouble: _Trouble, attempt: int) -> None:
        limit = self._settings.max_retry_after_seconds
        wanted = trouble.retry_after
        if wanted is None:
            host.pause(backoff(attempt, self._timing.chance()))
        elif wanted <= limit:
            host.pause(wanted)
        else:
            reason = f"{host.name} wants to be left alone for {wanted:,.0f} s ({trouble.reason})"
            host.leave(reason)
            raise SourceFailed(f"{reason}, and at most {limit:g} s are waited (COLLECTION_MAX_RETRY_AFTER raises that)")

    async def _read_robots(self, place: str) -> str:
        """The text of a robots.txt; none where the server says that there is none."""
        allowance = Allowance(self._settings.timeout_seconds)
        headers = {"Accept": "text/plain, */*;q=0.1"}
        where = place
        for _ in range(MAX_REDIRECTS + 1):
            try:
                answer = await self.ask(where, headers, _read_head, allowance)
                if answer.status >= 500:
                    raise SourceFailed(answer.sentence)
                target = answer.redirect_from(where)
            except CollectionError as failure:
                self._host(place).leave(reason := f"the robots.txt of {host_of(place)} cannot be read: {failure}")
                raise type(failure)(f"{reason}. Without it nothing may be asked there in this run") from None
            if target is None:
                return answer.body.decode("utf-8-sig", "replace") if answer.status == 200 else ""
            where = target
        return ""  # RFC 9309, section 2.3.1.2: too many redirects count as none at all

    def _host(self, url: str) -> Host:
        name = host_of(url) or ""
        if name not in self._hosts:
            self._hosts[name] = Host(name, self._settings, self._timing)
        return self._hosts[name]


async def _read_head(reply: Reply) -> bytes:
    """The body as far as a robots.txt is read; nothing of what is none."""
    if reply.status != 200:
        await reply.drain()
        return b""
    body = bytearray()
    async for block in reply.blocks(2 * MAX_ROBOTS_BYTES):
        body += block
        if len(body) >= MAX_ROBOTS_BYTES:
            break
    return bytes(body[:MAX_ROBOTS_BYTES])
