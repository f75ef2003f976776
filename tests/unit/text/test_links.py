"""Where links lead is taken out of what is embedded; everything else stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.text.links import without_targets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see [the guide](https://example.com/a/b?c=d#e) first", "see [the guide] first"),
        ("[page](../concepts/chunking.md), [top](#top), [root](/docs/)", "[page], [top], [root]"),
        ("[sibling](page.md#part) and [folder](folder/page)", "[sibling] and [folder]"),
        ('![a figure](img/one.png "Its title") here', "![a figure] here"),
        ("[wiki](https://en.wikipedia.org/wiki/Python_(language)).", "[wiki]."),
        ("a[1](https://example.com/notes) and x[y](mailto:ada@example.com)", "a[1] and x[y]"),
        ("[angle](<https://example.com/a>) [mail](mailto:ada@example.com)", "[angle] [mail]"),
        ("[![badge](https://ci.example/b.svg)](https://ci.example/)", "[![badge]]"),
    ],
)
def test_addresses_of_links_and_images_go(text: str, expected: str) -> None:
    assert without_targets(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "handlers[name](request) and table[0](x, y)",
        "f[0](a/b) and g[0][1](./c) and h()[k](a/b)",
        "a remark [sic] (see below)",
        "[a] (https://example.com)",
        "![dot](data:image/png;base64,iVBORw0KGgo=)",
        "unclosed [link](https://example.com/a b",
        "<https://example.com> https://example.com/a_(b)",
        "[reference][one]\n\n[one]: https://example.com",
    ],
)
def test_what_is_no_link_stays_as_it_is(text: str) -> None:
    assert without_targets(text) == text


WORDS = st.text(st.characters(exclude_characters="[]()<>", exclude_categories=["C"]), max_size=30)


@given(st.lists(st.tuples(WORDS, WORDS), max_size=8))
def test_all_text_around_and_in_links_is_kept(parts: list[tuple[str, str]]) -> None:
    linked = "".join(f"{before} [{label}](https://example.com/{place})" for place, (before, label) in enumerate(parts))
    assert without_targets(linked) == "".join(f"{before} [{label}]" for before, label in parts)


@given(st.text(alphabet='[](): ahtps/.\n"<>', max_size=200))
def test_nothing_is_added_or_moved(text: str) -> None:
    rest = iter(text)
    assert all(letter in rest for letter in without_targets(text))


@pytest.mark.parametrize(
    "hostile", ["](https://" * 20_000, "](a(" * 50_000, "](http:(" + "(" * 100_000, "](" + "a" * 200_000]
)
def test_hostile_text_takes_linear_time(hostile: str) -> None:
    started = time.process_time()
    without_targets(hostile)
    assert time.process_time() - started < 1.0
