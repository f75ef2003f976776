"""Fetching 1,000 pages of 10 kB from 20 hosts, and asking for them again: `python benchmarks/fetching.py`.

The hosts are names that lead to one loopback server, a process of its own. Beside the fetcher stands plain httpx, one
pooled client and 20 tasks, which checks nothing and pauses for nothing; and, for the polite pace, the floor that the
pace itself sets. Prints requests a second and CPU milliseconds a request, the best of `ROUNDS`.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import httpx

from twin.collection.web.fetch import Fetcher
from twin.records import Visit
from twin.settings import SourceSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTS, PAGES_OF_HOST, ROUNDS = 20, 50, 3
BODY = b"<!doctype html><html><head><title>A page</title></head><body><p>" + b"word " * 2_000 + b"</p></body></html>"
PAGE = b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: "1"\r\nContent-Length: %d\r\n\r\n%b' % (len(BODY), BODY)
NOT_MODIFIED = b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'
NO_ROBOTS = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
HASTE = {"host_delay_min_seconds": 0.0, "host_delay_factor": 0.0}


class Cost(NamedTuple):
    seconds: float
    cpu: float


def main() -> None:
    """Prints a line for each way of fetching."""
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as server:
        port = int(server.stdout.readline()) if server.stdout else 0
        places = [[f"http://h{host}.example:{port}/{page}" for page in range(PAGES_OF_HOST)] for host in range(HOSTS)]
        try:
            report(places, port)
        finally:
            server.terminate()


def report(places: list[list[str]], port: int) -> None:
    visits = {url: Visit(url=url, reader="benchmark", documents=[url], etag='"1"') for host in places for url in host}
    floor = PAGES_OF_HOST * read(SourceSettings).host_delay_min_seconds  # the robots.txt goes before the 50 pages
    show("httpx alone, pages", best(lambda: peer(places, port)))
    show("fetcher in haste, pages", best(lambda: fetch(places, {}, HASTE)))
    show("fetcher in haste, unchanged", best(lambda: fetch(places, visits, HASTE)))
    print(f"{'floor of the polite pace':28} {floor:8.2f} s")
    show("fetcher, pages", best(lambda: fetch(places, {}, {})))
    show("fetcher, unchanged", best(lambda: fetch(places, visits, {})))


def show(name: str, cost: Cost) -> None:
    count = HOSTS * PAGES_OF_HOST
    print(f"{name:28} {cost.seconds:8.2f} s {count / cost.seconds:8.0f}/s {cost.cpu / count * 1e3:8.2f} ms CPU each")


def best(work: Callable[[], None]) -> Cost:
    costs = []
    for _ in range(ROUNDS):
        began, used = time.perf_counter(), time.process_time()
        work()
        costs.append(Cost(time.perf_counter() - began, time.process_time() - used))
    return Cost(min(cost.seconds for cost in costs), min(cost.cpu for cost in costs))


def fetch(places: list[list[str]], visits: dict[str, Visit], pace: dict[str, float]) -> None:
    """A thread a host, as the run driver does it."""

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    settings = read(SourceSettings).model_copy(update={"allow_private_addresses": True} | pace)
    fetcher = Fetcher(settings, resolver=here)
    found: list[bool] = []

    def one_host(urls: list[str]) -> None:
        found.extend(fetcher.get(url, visit=visits.get(url)) is None for url in urls)

    threads = [threading.Thread(target=one_host, args=(urls,)) for urls in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fetcher.close()
    if found != [bool(visits)] * (HOSTS * PAGES_OF_HOST):
        raise SystemExit("not every page was as expected")


def peer(places: list[list[str]], port: int) -> None:
    async def one_host(client: httpx.AsyncClient, number: int) -> None:
        for page in range(PAGES_OF_HOST):
            host = f"h{number}.example:{port}"
            answer = await client.get(f"http://127.0.0.1:{port}/{page}", headers={"Host": host})
            answer.raise_for_status()

    async def all_hosts() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await asyncio.gather(*(one_host(client, number) for number in range(len(places))))

    asyncio.run(all_hosts())


class Server(asyncio.Protocol):
    """As little of a web server as answers at once, so that what is measured is the client."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, self.received = self.received.split(b"\r\n\r\n", 1)
            if head.startswith(b"GET /robots.txt"):
                answer = NO_ROBOTS
            else:
                answer = NOT_MODIFIED if b"If-None-Match" in head else PAGE
            self.transport.write(answer)  # ty: ignore[missing-attribute]


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if "--serve" in sys.argv:
        asyncio.run(serve())
    else:
        main()
