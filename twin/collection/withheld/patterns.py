"""Which files of a source are read, by patterns in the syntax of .gitignore."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore import GitIgnorePatternError

from twin.errors import InputError
from twin.records import content_hash

if TYPE_CHECKING:
    from pathlib import PurePath

    from twin.records import Source

__all__ = ["KINDS", "check", "fingerprint", "why_excluded", "why_folder_excluded"]

KINDS = frozenset({"folder", "archive", "repository"})
"""The kinds of source that have files to choose from."""


def check(source: Source) -> None:
    """Whether the patterns of a source can be used.

    Raises:
        InputError: One is no pattern or matches nothing, or the source has no files to choose from.
    """
    patterns = (*source.include, *source.exclude)
    if patterns and source.kind not in KINDS:
        raise InputError(
            f"{source.location} is a source of kind {source.kind}: patterns are for folders, archives and repositories."
        )
    for pattern in patterns:
        try:
            spec = _spec((pattern,))
        except GitIgnorePatternError as error:
            raise InputError(f"{pattern!r} is not a pattern in the syntax of .gitignore: {error}") from None
        if all(each.include is None for each in spec.patterns):
            raise InputError(f"The pattern {pattern!r} matches nothing: see the syntax of .gitignore.")


def fingerprint(source: Source) -> str:
    """Changes when the patterns of a source do; part of what is remembered of a look at all of it."""
    return content_hash("include", *source.include, "exclude", *source.exclude)[:12]


def why_excluded(source: Source, path: PurePath) -> str | None:
    """Why a file of a source is not read; None when it is. `path` is within the source."""
    name = path.as_posix()
    if source.exclude and (pattern := _matching(source.exclude, name)):
        return f"it is excluded by the pattern {pattern}"
    if source.include and not _matching(source.include, name):
        return f"no pattern includes it ({', '.join(source.include)})"
    return None


def why_folder_excluded(source: Source, path: PurePath) -> str | None:
    """Why nothing in a folder of a source is read; None when something may be."""
    pattern = _matching(source.exclude, f"{path.as_posix()}/") if source.exclude else None
    return f"it is excluded by the pattern {pattern}" if pattern else None


def _matching(patterns: tuple[str, ...], name: str) -> str | None:
    found = _spec(patterns).check_file(name)
    return patterns[found.index] if found.include and found.index is not None else None


@lru_cache(maxsize=64)
def _spec(patterns: tuple[str, ...]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(patterns)
