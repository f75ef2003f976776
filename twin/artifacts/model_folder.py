"""A model as a folder. Its `manifest.json`, written last, says what made it and names every other file's sha256."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from twin.errors import ArtifactError
from twin.records import content_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["FOLDER_MANIFEST", "MANIFEST", "address", "file_sha256", "manifest_in", "verify", "weights_sha256"]

MANIFEST = "manifest.json"
FOLDER_MANIFEST = "manifest.sha256.json"
"""What the artifact store writes into a stored folder."""
INPUTS = ("base_sha256", "dataset_version", "code_version", "recipe")
"""What a model was made of, as its manifest names it; the recipe has the seed."""
ADVICE = (
    "`llm-twin materialize train` makes the model again; where that gives other bytes it is another version, "
    "which a person approves."
)


def weights_sha256(manifest: Mapping[str, Any]) -> str:
    """The hash over the files that a manifest names: what a person approves and an endpoint is pinned to."""
    return content_hash(*(f"{name}={digest}" for name, digest in sorted(manifest["sha256"].items())))[:32]


def address(manifest: Mapping[str, Any]) -> str:
    """The name under which a model is stored: of its files and of all that made it."""
    return content_hash(weights_sha256(manifest), *(str(manifest.get(name)) for name in INPUTS))[:32]


def manifest_in(folder: Path) -> dict[str, Any]:
    """The manifest of a model folder.

    Raises:
        ArtifactError: There is none, or it does not name the model's files.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=dict[str, Any])
        msgspec.convert(manifest["sha256"], dict[str, str])
    except FileNotFoundError:
        raise ArtifactError(f"There is no model in {folder}: it has no {MANIFEST}. {ADVICE}") from None
    except (KeyError, msgspec.MsgspecError) as error:
        raise ArtifactError(f"{folder / MANIFEST} is not a model's manifest: {error}. {ADVICE}") from error
    return manifest


def verify(folder: Path, approved: str | None = None) -> dict[str, Any]:
    """Reads every file of a model folder and returns its manifest.

    Args:
        folder: Where it is.
        approved: The `weights_sha256` that it must have.

    Raises:
        ArtifactError: A file is missing, has changed or is not the model's, or this is not the approved model.
    """
    manifest = manifest_in(folder)
    named: dict[str, str] = manifest["sha256"]
    files = (path for path in folder.rglob("*") if not path.is_dir() and not path.name.startswith("."))
    present = {path.relative_to(folder).as_posix() for path in files}
    if foreign := sorted(present - named.keys() - {MANIFEST, FOLDER_MANIFEST}):
        raise ArtifactError(f"{folder / foreign[0]} is not of the model that was stored there: remove it.")
    for name, digest in sorted(named.items()):
        if name not in present:
            raise ArtifactError(f"{folder / name} is missing. {ADVICE}")
        if file_sha256(folder / name) != digest:
            raise ArtifactError(f"{folder / name} has changed since it was stored. {ADVICE}")
    served = f"{manifest.get('file')}"
    if served not in named and not any(name.startswith(f"{served}/") for name in named):
        raise ArtifactError(f"{folder / MANIFEST} names {served}, which is not a file of the model. {ADVICE}")
    found = weights_sha256(manifest)
    if approved is not None and found != approved:
        raise ArtifactError(
            f"{folder} holds another model ({found}) than the one that was approved ({approved}). Approve a version "
            "whose weights are there: `llm-twin models list`."
        )
    return manifest


def file_sha256(path: Path) -> str:
    """The sha256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
