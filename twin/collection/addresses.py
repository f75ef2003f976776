"""Which network addresses may be connected to: URLs come from documents and users, and may aim at what is inside."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from twin.errors import SourceFailed, SourceRefused

__all__ = ["check", "is_public", "resolve"]

NAT64 = ipaddress.ip_network("64:ff9b::/96")


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


async def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses of a host, in the order the system prefers them, all of them checked.

    Raises:
        SourceFailed: The name is not known.
        SourceRefused: See `check`.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceFailed(f"the host {host} is not found: {error}. Check the spelling and the network") from None
    return check(host, list(dict.fromkeys(str(entry[4][0]) for entry in found)), allow_private=allow_private)


def _is_global(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return ip.is_global and not ip.is_multicast
