"""Connections to servers that are not trusted: to checked addresses only, and bounded in what they may send."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import zlib
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import httpcore
import httpx

from twin.collection.refusals import too_large
from twin.collection.web import addresses, proxies
from twin.errors import SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator

    from twin.collection.web.addresses import Resolver
    from twin.settings import SourceSettings

    Connection: TypeAlias = httpcore.AsyncConnectionInterface

__all__ = ["ENCODINGS", "ConnectionLost", "Reply", "Transport"]

ENCODINGS = ("gzip", "deflate")
"""What is asked for and taken: their expansion can be bounded."""
KEEP_ALIVE_SECONDS = 30.0
CONNECT_SECONDS = 5.0
"""For one of several addresses of a host, so that a dead one does not use up the time for the others."""
RESOLVE_SECONDS = 2.0
"""For a name that a proxy will resolve anyway: where only a proxy leads out, no name server may answer."""
MAX_ADDRESSES = 6
BLOCK_BYTES = 65_536
DRAINED_BYTES = 65_536
"""Of a body that nobody wants, so much is read to keep the connection; for more, a new one is cheaper."""


class ConnectionLost(SourceFailed):
    """The server could not be reached, hung up, or broke the protocol; another attempt may do better."""


class Reply:
    """A server's answer whose body has not been read yet."""

    def __init__(self, response: httpcore.Response, received: Callable[[int], None]) -> None:
        self._response = response
        self._received = received
        self.status = response.status
        reason = response.extensions.get("reason_phrase", b"")
        self.reason = reason.decode("ascii", "replace")[:80]
        self.headers = _headers(response.headers)

    @property
    def sentence(self) -> str:
        """What the server answered, for people."""
        return f"the server answered {self.status} {self.reason}".rstrip()

    async def blocks(self, max_bytes: int) -> AsyncIterator[bytes]:
        """The body without its compression, in blocks of at most `BLOCK_BYTES`, each made when it is asked for.

        Raises:
            SourceRefused: More than `max_bytes` came, before it was decompressed, or it is encoded in a way that was
                not asked for.
            SourceFailed: It is not what its encoding says, or breaks off.
        """
        encoding = self.headers.get("content-encoding", "").strip().lower()
        if encoding in ("", "identity"):
            async for data in self._raw(max_bytes):
                yield data
            return
        if encoding not in (*ENCODINGS, "x-gzip"):
            raise SourceRefused(f"its encoding {encoding[:80]!r} was not asked for")
        decoder = _Inflater(raw_allowed=encoding == "deflate")
        async for data in self._raw(max_bytes):
            for block in decoder.feed(data):
                yield block
        if not decoder.complete:
            raise SourceFailed("its compressed body breaks off")

    async def drain(self) -> None:
        """Reads the rest of a small body, so that the connection can be used again."""
        with contextlib.suppress(SourceRefused):
            async for _ in self._raw(DRAINED_BYTES):
                pass

    async def _raw(self, max_bytes: int) -> AsyncIterator[bytes]:
        size = 0
        async for data in self._response.aiter_stream():
            self._received(len(data))
            size += len(data)
            if size > max_bytes:
                raise SourceRefused(too_large(None, max_bytes))
            yield data


class Transport:
    """Connections to many hosts, kept by scheme, name and port, so that one serves only the host that it was made for.

    A name is resolved whenever a connection is made, its addresses are checked, and the connection goes to one that was
    checked, so a name that changes its address in between gains nothing. Certificates are checked against the name.
    Where a proxy leads out (COLLECTION_PROXY) it is the proxy that resolves and connects: an address in a URL is
    checked as ever, and a name by what it leads to from here, but a name that only the proxy knows cannot be.
    """

    def __init__(self, settings: SourceSettings, resolver: Resolver) -> None:
        self._certificates: ssl.SSLContext | None = None
        self._network = _CheckedNetwork(resolver, allow_private=settings.allow_private_addresses)
        self._proxy = settings.proxy
        self._max_idle = settings.max_connections
        self._idle: dict[str, Connection] = {}

    @contextlib.asynccontextmanager
    async def open(self, url: str, headers: dict[str, str], received: Callable[[int], None]) -> AsyncGenerator[Reply]:
        """The answer of the server at `url`, as `urls.normal` writes it; `received` is told of bytes as they come.

        Raises:
            SourceRefused: The host is not on the public internet.
            SourceFailed: The host is unknown, or its certificate is not its own.
            ConnectionLost: See there. Raised also while the body is read.
        """
        target = httpcore.URL(url)
        lines = [(b"Host", urlsplit(url).netloc.encode("ascii"))]
        lines += [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
        try:
            proxy = proxies.proxy_for(url, self._proxy)
            connection = await self._connection(target.origin, proxy)
            try:
                response = await connection.handle_async_request(httpcore.Request("GET", target, headers=lines))
                try:
                    yield Reply(response, received)
                finally:
                    await response.aclose()
            finally:
                await self._put_back(target.origin, connection)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            host = target.host.decode("ascii")
            way = f" through the proxy {proxy.url}" if proxy else ""
            problem = f"the connection to {host}{way} failed: {str(error) or type(error).__name__}"
            if error.args and isinstance(error.args[0], ssl.SSLError):
                raise SourceFailed(problem) from None
            raise ConnectionLost(problem) from None

        except httpcore.ProxyError as error:
            raise SourceFailed(
                f"the proxy {proxy.url if proxy else ''} does not lead to {target.host.decode('ascii')}: {error}"
            ) from None

    async def close(self) -> None:
        """Closes the connections."""
        while self._idle:
            _, connection = self._idle.popitem()
            await connection.aclose()

    async def _connection(self, origin: httpcore.Origin, proxy: proxies.Proxy | None) -> Connection:
        kept = self._idle.pop(str(origin), None)
        if kept and not kept.has_expired():
            return kept
        if kept:
            await kept.aclose()
        if origin.scheme == b"https" and self._certificates is None:
            self._certificates = httpx.create_ssl_context()
        if proxy:
            await self._network.check_as_far_as_known(origin)
            pool = httpcore.AsyncHTTPProxy(
                proxy.url, proxy_auth=proxy.auth, ssl_context=self._certificates, keepalive_expiry=KEEP_ALIVE_SECONDS
            )
            return pool.create_connection(origin)
        return httpcore.AsyncHTTPConnection(
            origin,
            ssl_context=self._certificates,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=self._network,
        )

    async def _put_back(self, origin: httpcore.Origin, connection: Connection) -> None:
        place = str(origin)
        if connection.is_closed() or not connection.is_idle() or place in self._idle or not _is_clean(connection):
            await connection.aclose()
            return
        self._idle[place] = connection
        if len(self._idle) > self._max_idle:
            oldest = next(iter(self._idle))
            await self._idle.pop(oldest).aclose()


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked."""

    def __init__(self, resolver: Resolver, *, allow_private: bool) -> None:
        self._network: httpcore.AsyncNetworkBackend = httpcore.AnyIOBackend()  # ty: ignore[invalid-assignment]
        self._resolver = resolver
        self._allow_private = allow_private

    async def check_as_far_as_known(self, origin: httpcore.Origin) -> None:
        """Checks what the origin's name leads to from here, before a proxy is asked to connect to it.

        Raises:
            SourceRefused: Not to the public internet. A name that is not known here is the proxy's to judge.
        """
        host = origin.host.decode("ascii")
        try:
            found = await asyncio.wait_for(self._resolver(host, origin.port), RESOLVE_SECONDS)
        except (SourceFailed, TimeoutError):
            return
        addresses.check(host, found, allow_private=self._allow_private)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109, the name is the interface's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        resolved = addresses.check(host, await self._resolver(host, port), allow_private=self._allow_private)
        found = resolved[:MAX_ADDRESSES]
        problem: Exception = httpcore.ConnectError("it has no address")
        for address in found:
            limit = CONNECT_SECONDS if address != found[-1] else timeout
            try:
                return await self._network.connect_tcp(address, port, limit, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem


class _Inflater:
    """gzip and zlib, a block at a time, so that a small body cannot become a large one unseen."""

    def __init__(self, *, raw_allowed: bool) -> None:
        self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, whichever it begins like
        self._raw_allowed = raw_allowed
        self._began = False

    @property
    def complete(self) -> bool:
        return self._stream.eof or not self._began

    def feed(self, data: bytes) -> Iterator[bytes]:
        if not data or self._stream.eof:  # what follows the end is padding
            return
        while True:
            block = self._inflate(data)
            if block:
                yield block
            data = self._stream.unconsumed_tail
            if self._stream.eof or not (data or len(block) == BLOCK_BYTES):
                return

    def _inflate(self, data: bytes) -> bytes:
        first, self._began = not self._began, True
        try:
            return self._stream.decompress(data, BLOCK_BYTES)
        except zlib.error as error:
            if first and self._raw_allowed:  # "deflate" is sent with and without zlib's frame
                self._stream = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
                return self._inflate(data)
            raise SourceFailed(f"its body is not compressed as it says: {error}") from None


def _is_clean(connection: Connection) -> bool:
    """Whether the server sent no more than its answer: the rest would be taken for the answer about the next page.

    httpcore does not tell, so its parser is asked; a version that keeps it elsewhere only costs new connections.
    """
    parser = getattr(getattr(connection, "_connection", None), "_h11_state", None)
    return parser is not None and not parser.trailing_data[0]


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """By name in lower case, one byte a character, so that what is sent back is what came."""
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
