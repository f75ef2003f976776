"""What a markdown text says about itself, and that no such block costs more than it is long."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from twin.collection.files import frontmatter
from twin.errors import SourceFailed
from twin.text.dates import parse_date

LETTERS = "abcdefghij"
MERGES = "\n".join(
    ["a: &a {k: v}"]
    + [f"{name}: &{name}\n  <<: [{', '.join([f'*{before}'] * 10)}]" for before, name in pairwise(LETTERS)]
)
ALIASES = "\n".join(
    ["a: &a [x]"] + [f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in pairwise(LETTERS)]
)


@pytest.mark.parametrize(
    "title",
    [
        "1:30",
        "2024-01-02",
        "0x1F",
        "007",
        "1.10",
        "1e3",
        ".inf",
        "no",
        "true",
        "12:30:45",
        "1:1" + ":1" * 5_000,
        "2_000",
    ],
)
def test_a_title_stays_the_text_that_it_is(title: str) -> None:
    said, content = frontmatter.split(f"---\ntitle: {title}\n---\n\nText.")
    assert (said.title, content) == (title, "Text.")


@pytest.mark.parametrize("nothing", ["", "~", "null", "''", '"  "', "[]", "{}"])
def test_a_title_that_says_nothing_is_none(nothing: str) -> None:
    said, _ = frontmatter.split(f"---\ntitle: {nothing}\nauthor: Ada\n---\nText.")
    assert (said.title, said.author) == (None, "Ada")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("author: Ada", "Ada"),
        ("authors: [Ada, Grace]", "Ada"),
        ("authors:\n  - name: Ada\n    url: x", "Ada"),
        ("author: {name: Ada}", "Ada"),
        ("Author: !name Ada", "Ada"),
        ("author: >\n  Ada\n  Lovelace", "Ada Lovelace"),
    ],
)
def test_the_author_is_one_name(written: str, name: str) -> None:
    assert frontmatter.split(f"---\n{written}\n---\nText.")[0].author == name


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2019-03-04", "2019-03-04T00:00:00+00:00"),
        ("2019-03-04 22:44:26 -0700", "2019-03-05T05:44:26+00:00"),
        ("2019/7/13 20:46:25", "2019-07-13T20:46:25+00:00"),
        ("2001-12-14 21:59:43.10 -5", "2001-12-15T02:59:43+00:00"),
        ("2001-12-14t21:59:43Z", "2001-12-14T21:59:43+00:00"),
        ("2019-03-04 22:44:26 UTC", "2019-03-04T22:44:26+00:00"),
        ("2019-02-30 10:00", None),
        ("2019-02-03 10:00 +99:00", None),
        ("1:1:1", None),
    ],
)
def test_a_day_is_read_as_generators_write_it(written: str, moment: str | None) -> None:
    said, _ = frontmatter.split(f"---\ndate: {written}\n---\nText.")
    read = parse_date(said.date)
    assert (read.isoformat() if read else None) == moment


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("title: 'open", "not valid YAML near line 3"),
        ("title: Why: a question", "not valid YAML near line 2"),
        ("title: x\ndescription: *title", "has an alias (`*name`), which is not read, near line 3"),
        ("base: &base x\ntitle: *base", "an alias (`*name`), which is not read, near line 3"),
        (MERGES, "an alias (`*name`), which is not read, near line 4"),
        (ALIASES, "an alias (`*name`), which is not read, near line 3"),
        ("title: " + "[" * 60_000, "nested deeper than 16 levels near line 2"),
        ("title: " + "{a: " * 15_000, "nested deeper than 16 levels near line 2"),
        ("title: x\n" + "a: 1\n" * 12_000, "more values than are read near line 5001"),
        ("title: x\n? [a]\n: b", "a key that is no text near line 3"),
        ('title: "\\ud800"', "not valid YAML near line 2"),
    ],
)
def test_what_is_not_read_says_where_and_costs_little(block: str, reason: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(SourceFailed) as caught:
            frontmatter.split(f"---\n{block}\n---\nText.")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reason in str(caught.value)
    assert peak < 10_000_000


@pytest.mark.parametrize("link", ["[[Ines Farro]]", "[[People/Ines Farro]]", "[[People/ines|Ines Farro]]"])
def test_an_author_who_is_a_link_to_a_note_is_what_it_shows(link: str) -> None:
    assert frontmatter.split(f'---\nauthor:\n  - "{link}"\n---\nText')[0].author == "Ines Farro"


def test_toml_and_json_are_read_as_text_too() -> None:
    toml, text = frontmatter.split(
        '+++\ntitle = "T"\ndate = 2020-01-02T10:00:00Z\ndraft = true\nauthors = ["Ada"]\n+++\n\nText'
    )
    assert (toml.title, toml.author, toml.fields["draft"], text) == ("T", "Ada", "true", "Text")
    assert parse_date(toml.date) == datetime(2020, 1, 2, 10, tzinfo=UTC)
    json, text = frontmatter.split('{"title": "T", "draft": true, "weight": 1}\nText')
    assert (json.title, json.fields["draft"], text) == ("T", "true", "Text")
    for plain in ("+++\n\nA rule.\n\n+++\n", '{"a": 1} is JSON', "{braces} begin a text"):
        assert frontmatter.split(plain)[1] == plain
    with pytest.raises(SourceFailed, match="not valid TOML"):
        frontmatter.split("+++\ntitle = \n+++\nText")
