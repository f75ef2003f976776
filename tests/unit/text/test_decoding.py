"""Bytes to text, whatever encoding their carrier names."""

from __future__ import annotations

from encodings.aliases import aliases

import pytest

from twin.errors import CollectionError
from twin.text import decoding

NO_ENCODINGS = [
    "undefined", "idna", "punycode", "unicode_escape", "raw-unicode-escape", "utf-7", "unicode-1-1-utf-7",
    "rot13", "hex", "base64", "zlib", "bz2", "uu", "quopri", "made-up", "a" * 40, "utf\0-8", "",
]  # fmt: skip


@pytest.mark.parametrize("name", NO_ENCODINGS)
def test_what_is_no_encoding_is_passed_over(name: str) -> None:
    assert decoding.encoding_named(name) is None
    assert decoding.decode("né à Düsseldorf".encode(), name) == "né à Düsseldorf"
    with pytest.raises(CollectionError):
        decoding.decode(b"one byte that is no UTF-8: \xe9.", name)


@pytest.mark.parametrize(("name", "python"), [("latin1", "iso8859-1"), ("Windows-1252", "cp1252")])
def test_an_encoding_is_known_by_any_of_its_names(name: str, python: str) -> None:
    assert decoding.encoding_named(name) == python


def test_every_codec_of_python_gives_text_or_a_reason() -> None:
    data = bytes(range(32, 256)) * 4
    for name in {*aliases, *aliases.values()}:
        try:
            assert isinstance(decoding.decode(data, name), str)
        except CollectionError:
            continue
