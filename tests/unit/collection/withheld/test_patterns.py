"""Patterns in the syntax of .gitignore."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from twin.collection.sources import Choice, chosen
from twin.collection.withheld.patterns import why_excluded, why_folder_excluded
from twin.errors import InputError
from twin.records import Source


def a_source(*exclude: str, include: tuple[str, ...] = (), kind: str = "folder") -> Source:
    return Source(kind=kind, location="/notes", include=include, exclude=exclude)


@pytest.mark.parametrize(
    ("patterns", "path", "excluded"),
    [
        (("*.tmp.md",), "a/b.tmp.md", True),
        (("/a.md",), "b/a.md", False),
        (("unfinished/",), "deep/unfinished/a.md", True),
        (("a/**/z.md",), "a/b/c/z.md", True),
        (("*.md", "!keep.md"), "keep.md", False),
        (("*.md", "!keep.md"), "drop.md", True),
        (("[ab].md",), "a.md", True),
        (("Ä*.md",), "Äpfel.md", True),
    ],
)
def test_what_is_excluded(patterns: tuple[str, ...], path: str, excluded: bool) -> None:
    assert bool(why_excluded(a_source(*patterns), PurePosixPath(path))) == excluded


def test_the_reason_names_the_pattern() -> None:
    source = a_source("a.md", "*.tmp.md", include=("posts/**",))
    assert why_excluded(source, PurePosixPath("x.tmp.md")) == "it is excluded by the pattern *.tmp.md"
    assert why_excluded(source, PurePosixPath("x.md")) == "no pattern includes it (posts/**)"
    assert why_excluded(source, PurePosixPath("posts/x.md")) is None


def test_a_folder_is_passed_over_as_git_does_and_not_when_something_in_it_may_be_read() -> None:
    assert why_folder_excluded(a_source("build/"), PurePosixPath("build"))
    assert why_folder_excluded(a_source("build/*", "!build/keep.md"), PurePosixPath("build")) is None
    assert why_folder_excluded(a_source(include=("posts/**",)), PurePosixPath("build")) is None


@pytest.mark.parametrize("pattern", ["!", "# a comment", "/"])
def test_a_pattern_of_no_use_is_told_at_once(pattern: str) -> None:
    with pytest.raises(InputError, match="pattern"):
        chosen(a_source(), Choice(exclude=(pattern,)))


def test_only_sources_with_files_take_patterns() -> None:
    with pytest.raises(InputError, match="folders, archives and repositories"):
        chosen(a_source(kind="feed"), Choice(include=("*.md",)))


def test_a_choice_replaces_what_it_names_and_blank_patterns_take_it_back() -> None:
    before = a_source("a.md", include=("b.md",))
    assert chosen(before, Choice()) == before
    assert chosen(before, Choice(exclude=("c.md",))) == a_source("c.md", include=("b.md",))
    assert chosen(before, Choice(exclude=("",), include=("",))) == a_source()
