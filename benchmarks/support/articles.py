"""A web of articles to be collected: twenty hosts on this machine, in a process of their own."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import re
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from multiprocessing.connection import Connection

__all__ = ["HOSTS", "articles", "page", "serving"]

HOSTS = 20
"""127.0.0.1 to 127.0.0.20: to the collector twenty names with a pace each, to the system one interface."""
WORDS = re.findall(
    r"\w+",
    """engine steam loom pattern wheel number sequence method paper letter evening garden river winter summer question
    answer reason machine column figure table result careful simple certain perhaps always often never because although
    however therefore between under above before after while where which whose several many few first last writes reads
    turns moves holds keeps shows finds makes takes gives leaves grows falls light heavy open small large""",
)
NAVIGATION = "".join(f'<li><a href="/topic/{word}">{word}</a></li>' for word in WORDS[:30])


def page(number: int, characters: int = 10_000) -> str:
    """The HTML of an article with about so many characters of text, and what surrounds one on a blog."""
    chosen = random.Random(number)
    paragraphs: list[str] = []
    while sum(map(len, paragraphs)) < characters:
        sentences = [" ".join(chosen.choices(WORDS, k=chosen.randint(8, 20))).capitalize() for _ in range(6)]
        paragraphs.append(". ".join(sentences) + ".")
    sections = "".join(
        f"<h2>Part {index}</h2><p>{text}</p>" if index % 3 == 0 else f"<p>{text}</p>"
        for index, text in enumerate(paragraphs)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Note {number} | A blog</title>'
        f'<meta name="author" content="Ada Lovelace"><meta property="og:title" content="Note {number}"></head><body>'
        f"<nav><ul>{NAVIGATION}</ul></nav><article><h1>Note {number}</h1>{sections}</article>"
        "<footer><p>Subscribe to the newsletter. All rights reserved.</p></footer></body></html>"
    )


def articles(count: int, ports: list[int]) -> list[str]:
    """The URLs of articles, spread over the hosts."""
    return [f"http://127.0.0.{number % HOSTS + 1}:{ports[number % HOSTS]}/{number}" for number in range(count)]


@contextmanager
def serving() -> Generator[list[int]]:
    """Serves the articles of every host within the block; gives their ports."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(ready: Connection) -> None:
    asyncio.run(_serve_until_ended(ready))


async def _serve_until_ended(ready: Connection) -> None:
    servers = [await asyncio.start_server(_talk, f"127.0.0.{number + 1}", 0) for number in range(HOSTS)]
    ready.send([server.sockets[0].getsockname()[1] for server in servers])
    await asyncio.gather(*(server.serve_forever() for server in servers))


_pages: dict[int, bytes] = {}


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one connection's requests, with 304 where the client has the page."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            writer.write(_answer(head.decode("latin-1")))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def _answer(head: str) -> bytes:
    path = head.split(" ", 2)[1].lstrip("/")
    if not path.isdecimal():
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    body = _pages.setdefault(int(path), page(int(path)).encode())
    etag = f'"{zlib.crc32(body):x}"'
    if f"if-none-match: {etag}" in head.lower():
        return f"HTTP/1.1 304 Not Modified\r\nETag: {etag}\r\nContent-Length: 0\r\n\r\n".encode()
    fields = f"Content-Type: text/html; charset=utf-8\r\nETag: {etag}\r\nContent-Length: {len(body)}\r\n\r\n"
    return f"HTTP/1.1 200 OK\r\n{fields}".encode() + body
