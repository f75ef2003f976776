"""Addresses of this machine, in both families."""

from __future__ import annotations

import socket

import pytest

from twin.errors import PlatformError
from twin.processes import free_port, http_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104
        ("::", "http://[::1]:8000"),
        ("twin.example", "http://twin.example:8000"),
    ],
)
def test_an_address_is_one_that_can_be_opened(host: str, url: str) -> None:
    assert http_url(host, 8000) == url


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_replaced_by_a_free_one(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as taken:
        try:
            taken.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port, host) not in {port, 0}


def test_a_host_that_is_not_of_this_machine_is_named() -> None:
    with pytest.raises(PlatformError, match=r"192\.0\.2\.1.*TWIN_HOST"):
        free_port(0, "192.0.2.1")
