"""Ports of this machine, and the addresses made of them."""

from __future__ import annotations

import socket

from twin.errors import PlatformError

__all__ = ["free_port", "http_url"]


def free_port(preferred: int = 0, host: str = "127.0.0.1") -> int:
    """`preferred` if nothing listens there, else a port that is free now.

    Raises:
        PlatformError: `host` is no address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reason = ""
    for port in (preferred, 0):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                reason = str(error)
            else:
                return probe.getsockname()[1]
    raise PlatformError(
        f"No port of {host} can be listened on: {reason}. TWIN_HOST must be an address of this machine."
    )


def http_url(host: str, port: int) -> str:
    """The address at which this machine reaches a server that listens on `host`: `http://[::1]:8000`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
