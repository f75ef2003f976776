"""A service's address is its own from the first moment to the last, and its answers are known by a word."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from twin.errors import PlatformError
from twin.processes import Child, Listener, answers, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = """
import argparse, asyncio, uvicorn
from twin.processes import handover

async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})

parser = argparse.ArgumentParser()
handover.add_arguments(parser, 0)
options = parser.parse_args()
config = uvicorn.Config(
    app, host=options.host, port=options.port, lifespan="off", headers=handover.identity_headers(), log_level="warning"
)
uvicorn.Server(config).run(handover.inherited(options))
"""


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[Listener]:
    try:
        opened = Listener(request.param)
    except PlatformError:
        pytest.skip(f"this machine has no {request.param}")
    yield opened
    opened.close()


def start(listener: Listener) -> Child:
    command = [sys.executable, "-c", SERVICE, *listener.arguments]
    return Child("service", command, env=listener.environment, fds=[listener.fd])


def test_a_service_answers_on_the_socket_that_it_was_handed(listener: Listener) -> None:
    with start(listener) as child:
        wait_until(lambda: listener.answers("/", 5), what="the service", timeout=60, child=child)
        assert listener.json("/") == {}
        assert answers(listener.url, 5)


def test_what_another_answers_is_not_taken_for_the_services(listener: Listener) -> None:
    with start(listener) as child:
        wait_until(lambda: listener.answers("/", 5), what="the service", timeout=60, child=child)
        assert not answers(listener.url, 5, word="another's")


def test_who_connects_before_the_service_runs_waits_for_it(listener: Listener) -> None:
    with (
        socket.create_connection((listener.host, listener.port)) as early,
        start(listener),
    ):
        early.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        early.settimeout(60)
        assert early.recv(4096).startswith(b"HTTP/1.1 200")


def test_no_other_process_gets_the_address_while_the_service_is_started_again(listener: Listener) -> None:
    with start(listener) as first:
        wait_until(lambda: listener.answers("/", 5), what="the service", timeout=60, child=first)
    thief = Listener(listener.host, listener.port)
    thief.close()
    assert thief.url != listener.url
    with start(listener) as second:
        wait_until(lambda: listener.answers("/", 5), what="the service", timeout=60, child=second)


def test_many_that_wish_for_one_port_at_once_get_one_each() -> None:
    program = (
        "import sys; from twin.processes import Listener; sys.stdin.readline(); "
        "held = Listener('127.0.0.1', int(sys.argv[1])); print(held.url, flush=True); sys.stdin.readline()"
    )
    wished = Listener("127.0.0.1")
    wished.close()
    homes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(wished.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for home in homes:
        assert home.stdin is not None
        home.stdin.write("go\n")
        home.stdin.flush()
    urls = [home.stdout.readline().strip() for home in homes if home.stdout]
    for home in homes:
        home.communicate("end\n")
    assert len(set(urls)) == len(homes)
    assert wished.url in urls


def test_an_address_that_was_given_up_is_refused(listener: Listener) -> None:
    with start(listener) as child:
        wait_until(lambda: listener.answers("/", 5), what="the service", timeout=60, child=child)
    listener.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(listener.url, trust_env=False)
