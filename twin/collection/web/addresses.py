"""Which network addresses may be connected to: URLs come from documents and users, and may aim at what is inside."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, TypeAlias

from twin.errors import SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Resolver", "check", "is_public", "lookup"]

Resolver: TypeAlias = "Callable[[str, int], Awaitable[list[str]]]"
"""Gives the addresses of a host and port; `lookup` is one."""

NAT64 = ipaddress.ip_network("64:ff9b::/96")
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All IPv6 addresses that are given out for the public internet (RFC 4291, IANA)."""
SPECIAL = tuple(ipaddress.ip_network(block) for block in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20"))
"""IANA's special purposes that `ipaddress` calls global in some versions of Python."""


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, and what it may wrap too (IPv4-mapped, 6to4, NAT64)."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in NAT64:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if any(wrapped is not None and not _is_global(wrapped) for wrapped in inner):
            return False
        if ip.ipv4_mapped is not None or ip in NAT64:
            return True
    return _is_global(ip)


def check(host: str, found: list[str], *, allow_private: bool) -> list[str]:
    """`found`, when all of it may be connected to.

    Raises:
        SourceRefused: An address is private, loopback, link-local or reserved.
    """
    if allow_private:
        return found
    for address in found:
        if not is_public(address):
            raise SourceRefused(
                f"{host} leads to {address}, which is not on the public internet: set "
                "COLLECTION_ALLOW_PRIVATE_ADDRESSES=true if that is meant"
            )
    return found


async def lookup(host: str, port: int) -> list[str]:
    """The addresses of a host, in the order that the system prefers.

    Raises:
        SourceFailed: The name is not known.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceFailed(
            f"the host {host} is not found: {error}. Check the spelling and the network; where only a proxy leads out, "
            "see COLLECTION_PROXY"
        ) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _is_global(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if ip.version == 6 and ip not in GLOBAL_UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in block for block in SPECIAL)
