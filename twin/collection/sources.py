"""What the twin reads: the authors and sources of `twin.yaml`, and those added from the command line.

authors:
  - name: Ada Lovelace
    sources:
      - notes/                              # a folder, relative to this file
      - https://example.com/an-article
      - https://github.com/ada/engine.git
      - location: blog/
        include: ["posts/**"]                 # patterns in the syntax of .gitignore
        exclude: [unfinished/, "*.tmp.md"]
        include_drafts: true
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from twin import collection
from twin.collection.withheld import patterns
from twin.errors import InputError, SettingsError
from twin.records import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from twin.warehouse import Warehouse

__all__ = ["NO_CHOICE", "Choice", "choice", "chosen", "configured", "forget_dropped", "known", "selected"]

CREDENTIALS = re.compile(r"https?://[^/?#]*@", re.IGNORECASE)


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be read of sources, as a person says it; what is None stays as it was."""

    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    include_drafts: bool | None = None


NO_CHOICE = Choice()


def choice(include: Iterable[str] | None, exclude: Iterable[str] | None, include_drafts: bool | None) -> Choice:
    """A choice from what commands and run configurations give."""
    return Choice(
        include=None if include is None else tuple(include),
        exclude=None if exclude is None else tuple(exclude),
        include_drafts=include_drafts,
    )


class _Place(msgspec.Struct, forbid_unknown_fields=True):
    """A location of which not everything is read."""

    location: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    include_drafts: bool = False


class _Author(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    sources: list[str | _Place] = []


class _Config(msgspec.Struct, forbid_unknown_fields=True):
    authors: list[_Author] = []


def configured(config: Path) -> list[Source]:
    """The sources that a configuration file names; none when there is no such file.

    A location at which there is nothing to read is a source all the same: looking at it says why, and stops no other.

    Raises:
        SettingsError: The file is not YAML of the expected form, or names a URL with a password; says where.
    """
    return _configured(config, {})


def known(config: Path, warehouse: Warehouse) -> list[Source]:
    """Every source of this twin, each once; the configuration file's word on the author wins."""
    remembered = warehouse.sources.all()
    named = _named(config, remembered)
    ids, places = {source.id for source in named}, {source.location for source in named}
    doubtful = [source.id for source in remembered if source.location in places and source.id not in ids]
    # What was not there yet when it was first looked at may have turned out to be of another kind
    mistaken = set(doubtful) - warehouse.sources.held(doubtful).keys()
    left = mistaken | {source.id for source in _no_longer_named(config, remembered, named)}
    kept = (source for source in [*remembered, *named] if source.id not in left)
    return list({source.id: source for source in kept}.values())


def forget_dropped(config: Path, warehouse: Warehouse, asked: Iterable[Source] = ()) -> list[str]:
    """Removes the sources that this configuration file alone named and names no more, but for those that are asked for.

    A file that is not there, is blank or is another one than before says nothing about them. Returns a line for each.
    """
    remembered, kept = warehouse.sources.all(), {source.id for source in asked}
    dropped = _no_longer_named(config, remembered, _named(config, remembered))
    return [
        f"Forgot {source.location}, which {config} names no more; documents: {warehouse.sources.remove(source.id):,}."
        for source in dropped
        if source.id not in kept
    ]


def selected(
    locations: Sequence[str], author: str | None, known: Sequence[Source], choice: Choice = NO_CHOICE
) -> list[Source]:
    """The sources at some locations, all that are `known` where none is named. What is not said of one that is known
    already, such as its author, stays.

    Raises:
        InputError: There is nothing to read at a location, or a pattern is of no use.
    """
    if not locations:
        return [chosen(source, choice) for source in known]
    named = [collection.detect(location, author) for location in locations]
    earlier = {source.id: msgspec.structs.replace(source, named_in=None) for source in known}
    known_as = [earlier.get(source.id, source) for source in named]
    return [
        chosen(msgspec.structs.replace(before, author=source.author or before.author), choice)
        for source, before in zip(named, known_as, strict=True)
    ]


def chosen(source: Source, choice: Choice) -> Source:
    """The source with what a person chose to read of it. Blank patterns count as none.

    Raises:
        InputError: A pattern is of no use, or the source has no files to choose from.
    """
    result = msgspec.structs.replace(
        source,
        include=source.include if choice.include is None else tuple(filter(str.strip, choice.include)),
        exclude=source.exclude if choice.exclude is None else tuple(filter(str.strip, choice.exclude)),
        include_drafts=source.include_drafts if choice.include_drafts is None else choice.include_drafts,
    )
    patterns.check(result)
    return result


def _named(config: Path, remembered: Sequence[Source]) -> list[Source]:
    """The sources of the file, each with whether it is known from the file alone."""
    by_command = {source.id for source in remembered if source.named_in is None}
    named = _configured(config, {source.location: source.kind for source in remembered})
    place = str(config.resolve())
    return [source if source.id in by_command else msgspec.structs.replace(source, named_in=place) for source in named]


def _no_longer_named(config: Path, remembered: Iterable[Source], named: Iterable[Source]) -> list[Source]:
    if not config.is_file() or not config.read_bytes().strip():
        return []
    place, places = str(config.resolve()), {source.location for source in named}
    return [source for source in remembered if source.named_in == place and source.location not in places]


def _configured(config: Path, kinds: Mapping[str, str]) -> list[Source]:
    """The sources of the file; `kinds` says what was at a location when it was last seen."""
    if not config.is_file():
        return []
    try:
        parsed = msgspec.yaml.decode(config.read_bytes() or b"{}", type=_Config)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"{config} does not say what to read: {error}. The README shows its form.") from error
    folder = config.resolve().parent
    try:
        return [
            _configured_source(place, folder, author.name, kinds)
            for author in parsed.authors
            for place in author.sources
        ]
    except InputError as error:
        raise SettingsError(f"{config}: {error.message}") from error


def _configured_source(place: str | _Place, folder: Path, author: str, kinds: Mapping[str, str]) -> Source:
    if isinstance(place, str):
        return _source(_absolute(place, folder), author, kinds)
    source = _source(_absolute(place.location, folder), author, kinds)
    choice = Choice(include=place.include, exclude=place.exclude, include_drafts=place.include_drafts)
    return chosen(source, choice)


def _source(location: str, author: str, kinds: Mapping[str, str]) -> Source:
    try:
        return collection.detect(location, author)
    except InputError:
        if CREDENTIALS.match(location):
            raise  # it must not be stored
        fallback = "article" if collection.NO_PATH.match(location) else "folder"
        return Source(kind=kinds.get(location, fallback), location=location, author=author)


def _absolute(location: str, folder: Path) -> str:
    """Paths in the file are relative to the file; URLs and the like stay as they are."""
    if collection.NO_PATH.match(location):
        return location
    path = Path(location).expanduser()
    return os.path.normpath(path if path.is_absolute() else folder / path)
