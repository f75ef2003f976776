"""What a configuration file names, some of it wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twin.collection import sources
from twin.errors import SettingsError
from twin.records import Source

if TYPE_CHECKING:
    from pathlib import Path


def configure(folder: Path, *locations: str) -> Path:
    file = folder / "twin.yaml"
    file.write_text("authors:\n  - name: Ada\n    sources:\n" + "".join(f"      - '{each}'\n" for each in locations))
    return file


def test_paths_are_relative_to_the_file_and_everything_else_is_not_a_path(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    file = configure(
        tmp_path, "notes/", "feed:example.com/news", "sitemap:example.com", "me@host.example:work/notes.git"
    )
    assert [(source.kind, source.location) for source in sources.configured(file)] == [
        ("folder", str(tmp_path / "notes")),
        ("feed", "https://example.com/news"),
        ("sitemap", "https://example.com/"),
        ("repository", "me@host.example:work/notes.git"),
    ]


def test_what_cannot_be_read_stops_no_other_source(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    file = configure(tmp_path, "unplugged/notes/", "ftp://example.com/x", "http://[::1", "notes/")
    assert sources.configured(file) == [
        Source(kind="folder", location=str(tmp_path / "unplugged/notes"), author="Ada"),
        Source(kind="article", location="ftp://example.com/x", author="Ada"),
        Source(kind="article", location="http://[::1", author="Ada"),
        Source(kind="folder", location=str(tmp_path / "notes"), author="Ada"),
    ]


def test_a_password_in_the_file_is_an_error_that_does_not_repeat_it(tmp_path: Path) -> None:
    file = configure(tmp_path, "https://ada:hunter2@example.com/x")
    with pytest.raises(SettingsError, match=r"twin\.yaml: The URL of example.com carries") as raised:
        sources.configured(file)
    assert "hunter2" not in str(raised.value)


def test_a_source_may_choose_its_files(tmp_path: Path) -> None:
    (tmp_path / "blog").mkdir()
    file = tmp_path / "twin.yaml"
    entry = "authors:\n  - name: Ada\n    sources:\n      - location: {}\n        exclude: [{}]\n"
    file.write_text(entry.format("blog/", "'*.tmp.md', old/") + "        include_drafts: true\n")
    blog = Source(kind="folder", location=str(tmp_path / "blog"), author="Ada")
    chosen = sources.Choice(exclude=("*.tmp.md", "old/"), include_drafts=True)
    assert sources.configured(file) == [sources.chosen(blog, chosen)]
    for location, pattern in (("blog/", "'!'"), ("feed:example.com/news", "a.md")):
        file.write_text(entry.format(location, pattern))
        with pytest.raises(SettingsError, match=r"twin\.yaml: .*pattern"):
            sources.configured(file)
