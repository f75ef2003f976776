"""Request bodies, within bounds: unpacked where they came compressed, and refused as wrong where they are no JSON."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, HTTPException
from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send

from twin.decoding import NOT_JSON

__all__ = ["JsonRequest", "Unpacked", "read_json"]

PIECE_BYTES = 256 * 1024
EITHER_HEADER = 32 + zlib.MAX_WBITS
"""zlib tells gzip and deflate apart by themselves."""
ENCODINGS = ("gzip", "x-gzip", "deflate")

T = TypeVar("T")


class UnknownEncoding(HTTPException):
    """The body is compressed in a way that we do not read."""

    status_code = 415


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body, where it is no JSON, is the client's mistake in every way that bytes can be no JSON."""

    async def json(self) -> Any:
        """The body as JSON.

        Raises:
            ClientException: It is not UTF-8, or nested too deep.
        """
        try:
            return await super().json()
        except NOT_JSON as error:
            raise ClientException(f"The body is not JSON: {error}.") from None


class Unpacked:
    """An ASGI application that gets compressed bodies unpacked, piece by piece: how much it takes is for it to say."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on. Reading its body raises HTTPException when it cannot be unpacked."""
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
        if encoding not in ("", "identity"):
            described = (b"content-encoding", b"content-length")  # the packed body
            kept = [(name, value) for name, value in scope["headers"] if name not in described]
            scope = {**scope, "headers": kept}  # ty: ignore[invalid-assignment]
            receive = _unpacking(encoding, receive)
        await self._app(scope, receive, send)


async def read_json(request: Request, kind: type[T]) -> T:
    """The request's JSON body as `kind`.

    Raises:
        ClientException: It is not JSON, or not of that shape; says where.
    """
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except NOT_JSON as error:
        raise ClientException(f"The body does not fit: {error}") from None


def _unpacking(encoding: str, receive: Receive) -> Receive:
    """`receive`, with the body unpacked; after the body, `receive` itself."""
    pieces = _pieces(encoding, receive)

    async def unpacked() -> Any:
        try:
            return await anext(pieces)
        except StopAsyncIteration:
            return await receive()

    return unpacked


async def _pieces(encoding: str, receive: Receive) -> AsyncGenerator[Any]:
    if encoding not in ENCODINGS:
        raise UnknownEncoding(
            f"The body is encoded as {encoding!r}; {', '.join(ENCODINGS)} and none are read.",
            headers={"Accept-Encoding": ", ".join(ENCODINGS)},
        )
    unzip = zlib.decompressobj(EITHER_HEADER)
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            yield message
            return
        more = message.get("more_body", False)
        for piece in _unzipped(unzip, message.get("body", b"")):
            yield _body(piece, more=True)
    if not unzip.eof or unzip.unused_data:
        raise ClientException(f"The {encoding} body {'ends early' if not unzip.eof else 'goes on after its end'}.")
    yield _body(b"", more=False)


def _unzipped(unzip: Any, data: bytes) -> Any:
    """What `data` unpacks to, in pieces of at most PIECE_BYTES, so that a bomb is met by whoever counts them."""
    full = True
    while full:
        try:
            piece = unzip.decompress(data, PIECE_BYTES)
        except zlib.error as error:
            raise ClientException(f"The body is not compressed as its header says: {error}.") from None
        data = unzip.unconsumed_tail
        full = len(piece) == PIECE_BYTES
        if piece:
            yield piece


def _body(piece: bytes, *, more: bool) -> HTTPReceiveMessage:
    return {"type": "http.request", "body": piece, "more_body": more}
