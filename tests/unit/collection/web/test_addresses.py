"""Which addresses are on the public internet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.collection.web import addresses
from twin.errors import SourceRefused

PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert addresses.is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
        ),
        *("224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "240.0.0.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "64:ff9b::7f00:1"),
        *("2002:7f00:1::", "2002:a00:1::1"),
        *("::127.0.0.1", "fec0::1", "64:ff9b:1::7f00:1", "5f00::1", "3fff::1", "192.0.0.8", "192.88.99.1"),
        "0.0.0.0",  # noqa: S104
    ],
)
def test_private_addresses_also_when_wrapped(address: str) -> None:
    assert not addresses.is_public(address)


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(SourceRefused, match=r"a\.example leads to 10\.0\.0\.1"):
        addresses.check("a.example", ["1.1.1.1", "10.0.0.1"], allow_private=False)
    assert addresses.check("a.example", ["1.1.1.1", "10.0.0.1"], allow_private=True) == ["1.1.1.1", "10.0.0.1"]


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_does_not_change_the_answer(address: object) -> None:
    assert addresses.is_public(f"::ffff:{address}") == addresses.is_public(str(address))
