"""What the twin reads: the authors and sources of `twin.yaml`, and those added from the command line.

authors:
  - name: Ada Lovelace
    sources:
      - notes/                              # a folder, relative to this file
      - https://example.com/an-article
      - https://github.com/ada/engine.git
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from twin import collection
from twin.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twin.records import Source
    from twin.warehouse import Warehouse

__all__ = ["at", "configured", "known"]


class _Author(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    sources: list[str] = []


class _Config(msgspec.Struct, forbid_unknown_fields=True):
    authors: list[_Author] = []


def configured(config: Path) -> list[Source]:
    """The sources that a configuration file names; none when there is no such file.

    Raises:
        SettingsError: The file is not YAML of the expected form; says where.
    """
    if not config.is_file():
        return []
    try:
        parsed = msgspec.yaml.decode(config.read_bytes() or b"{}", type=_Config)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"{config} does not say what to read: {error}. The README shows its form.") from error
    folder = config.resolve().parent
    return [
        collection.detect(_absolute(location, folder), author.name)
        for author in parsed.authors
        for location in author.sources
    ]


def known(config: Path, warehouse: Warehouse) -> list[Source]:
    """Every source of this twin, each once; the configuration file's word on the author wins."""
    return list({source.id: source for source in [*warehouse.sources(), *configured(config)]}.values())


def at(locations: Iterable[str], author: str | None, config: Path, warehouse: Warehouse) -> list[Source]:
    """The sources at some locations. Where no author is named, one that is known already keeps its own.

    Raises:
        InputError: There is nothing to read at a location.
    """
    named = [collection.detect(location, author) for location in locations]
    earlier = {source.id: source for source in known(config, warehouse)}
    return [source if source.author else earlier.get(source.id, source) for source in named]


def _absolute(location: str, folder: Path) -> str:
    """Paths in the file are relative to the file; URLs stay as they are."""
    if "://" in location or location.startswith("git@"):
        return location
    path = Path(location).expanduser()
    return str(path if path.is_absolute() else folder / path)
