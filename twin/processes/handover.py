"""What a supervisor hands to a service that speaks HTTP: its socket, and a word by which its answers are known.

The supervisor opens the socket and keeps it for as long as the service shall have that address. So no other process can
take the port, neither before the service listens nor while it is started again, and who connects meanwhile waits and is
not refused. The service says the word in a header of every answer: no other's answer is taken for its own.
"""

from __future__ import annotations

import os
import secrets
import socket
from typing import TYPE_CHECKING, Any

import httpx

from twin import http_clients
from twin.errors import PlatformError
from twin.processes.ports import http_url

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

__all__ = ["Listener", "add_arguments", "answers", "identity_headers", "inherited"]

WORD_VARIABLE = "TWIN_INSTANCE"
WORD_HEADER = "Twin-Instance"
BACKLOG = 2048


class Listener:
    """A listening socket of this process, and the word of the service that gets it.

    `port` is a wish: when something else listens there, or when it is 0, a free port is taken.

    Raises:
        PlatformError: `host` is no address of this machine.
    """

    def __init__(self, host: str, port: int = 0) -> None:
        self._socket = _listening(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self.url = http_url(host, self.port)
        self.word = secrets.token_hex(8)

    @property
    def fd(self) -> int:
        return self._socket.fileno()

    @property
    def arguments(self) -> list[str]:
        """The command line that tells the service its address and hands it the socket; see `add_arguments`."""
        return ["--host", self.host, "--port", str(self.port), "--fd", str(self.fd)]

    @property
    def environment(self) -> dict[str, str]:
        """The variable that tells the service its word."""
        return {WORD_VARIABLE: self.word}

    def answers(self, path: str, timeout: float = 1.0) -> bool:
        """Whether the service answers a GET of `path` with a 2xx status."""
        return answers(self.url + path, timeout, word=self.word)

    def json(self, path: str, timeout: float = 1.0) -> dict[str, Any]:
        """What the service answers to a GET of `path`, whatever the status; nothing while it does not."""
        try:
            response = http_clients.request("GET", self.url + path, timeout=timeout)
            return response.json() if response.headers.get(WORD_HEADER) == self.word else {}
        except (httpx.HTTPError, ValueError):
            return {}

    def close(self) -> None:
        """Gives the address up."""
        self._socket.close()


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens on `port`, else on one that is free."""
    reason = ""
    for wanted in (port, 0):
        opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((host, wanted))
            opened.listen(BACKLOG)
        except OSError as error:
            opened.close()
            reason = str(error)
        else:
            return opened
    raise PlatformError(f"Nothing can listen on {host}: {reason}. Set TWIN_HOST to an address of this machine.")


def answers(url: str, timeout: float = 1.0, *, word: str | None = None) -> bool:
    """Whether a GET of `url` gives a 2xx status, from the service that was told `word`."""
    try:
        response = http_clients.request("GET", url, timeout=timeout)
    except httpx.HTTPError:
        return False
    return response.is_success and (word is None or response.headers.get(WORD_HEADER) == word)


def add_arguments(parser: ArgumentParser, port: int) -> None:
    """Gives a service's command line `--host` and `--port`, and `--fd` for the socket that a supervisor handed down."""
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--fd", type=int, help="an inherited socket that listens there already")


def inherited(options: Namespace) -> list[socket.socket] | None:
    """The socket that a supervisor handed down, as `uvicorn.Server.run` takes it."""
    return None if options.fd is None else [socket.socket(fileno=options.fd)]


def identity_headers() -> list[tuple[str, str]]:
    """The headers of every answer, as `uvicorn.Config` takes them."""
    word = os.environ.get(WORD_VARIABLE)
    return [(WORD_HEADER, word)] if word else []
