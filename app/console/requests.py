"""What the console's handlers share: the database they are given, and request bodies read within bounds."""

from __future__ import annotations

import zlib
from typing import Any, TypeAlias, TypeVar

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, HTTPException
from litestar.params import SkipValidation
from pymongo.asynchronous.database import AsyncDatabase

__all__ = ["Database", "ReviewerToken", "read_body", "read_json"]

Database: TypeAlias = NamedDependency[SkipValidation[AsyncDatabase[dict[str, Any]]]]
"""Annotate a handler's `database` parameter with this."""

ReviewerToken: TypeAlias = NamedDependency[str | None]
"""Annotate a handler's `reviewer_token` parameter with this."""

MAX_UNZIPPED_BYTES = 64 * 1024 * 1024
GZIP_WINDOW = 16 + zlib.MAX_WBITS

T = TypeVar("T")


class BodyTooLarge(HTTPException):
    """The body is, or unpacks to, more than we take."""

    status_code = 413


async def read_body(request: Request, *, limit: int = MAX_UNZIPPED_BYTES) -> bytes:
    """The request's body, unpacked where it came gzipped.

    Raises:
        BodyTooLarge: It unpacks to more than `limit` bytes.
        ClientException: It is not the gzip that its header promises.
    """
    body = await request.body()
    if request.headers.get("content-encoding", "").lower() != "gzip":
        return body
    unzip = zlib.decompressobj(GZIP_WINDOW)
    try:
        data = unzip.decompress(body, limit)
    except zlib.error as error:
        raise ClientException(f"The body is not valid gzip: {error}.") from None
    if unzip.unconsumed_tail:
        raise BodyTooLarge(f"The body unpacks to more than {limit} bytes.")
    if not unzip.eof:
        raise ClientException("The gzip body ends early.")
    return data


async def read_json(request: Request, kind: type[T]) -> T:
    """The request's JSON body as `kind`.

    Raises:
        ClientException: It is not JSON, or not of that shape; says where.
    """
    body = await read_body(request)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ClientException(f"The body does not fit: {error}") from None
