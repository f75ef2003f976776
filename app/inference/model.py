"""The model that a path holds, and the engine that its format needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import msgspec

from app.inference.engine import Engine
from twin.errors import ArtifactError
from twin.settings import EndpointSettings

__all__ = ["ModelFiles", "find_model", "load_engine"]

MANIFEST = "manifest.json"


class ModelFiles(msgspec.Struct, frozen=True):
    """A model as it lies on disk."""

    format: Literal["gguf", "transformers"]
    path: Path
    """The GGUF file, or the folder of weights, config and tokenizer."""
    name: str
    """`name@version` where the manifest tells them, else what the file or folder is called."""


class _Manifest(msgspec.Struct):
    format: Literal["gguf", "transformers"]
    file: str | None = None
    name: str | None = None
    version: str | None = None


def find_model(path: Path) -> ModelFiles:
    """The model at a path: a GGUF file, a folder with a manifest, or a Hugging Face folder.

    Raises:
        ArtifactError: Nothing there can be served; says what was looked for.
    """
    if path.is_file() and path.suffix == ".gguf":
        return ModelFiles("gguf", path, path.stem)
    if (path / MANIFEST).is_file():
        return _from_manifest(path)
    if len(found := sorted(path.glob("*.gguf"))) == 1:
        return ModelFiles("gguf", found[0], path.name)
    if (path / "config.json").is_file():
        return ModelFiles("transformers", path, path.name)
    raise ArtifactError(
        f"No model at {path}: expected a .gguf file, or a folder with {MANIFEST}, one .gguf file or a config.json."
    )


def load_engine(files: ModelFiles, settings: EndpointSettings) -> Engine:
    """Loads the model into the engine that its format needs."""
    if files.format == "gguf":
        from app.inference.llama import LlamaEngine

        return LlamaEngine(files.path, settings)
    from app.inference.torch_engine import TransformersEngine

    return TransformersEngine(files.path, settings)


def _from_manifest(folder: Path) -> ModelFiles:
    manifest_path = folder / MANIFEST
    try:
        manifest = msgspec.convert(json.loads(manifest_path.read_bytes()), _Manifest)
    except (ValueError, msgspec.ValidationError) as error:
        raise ArtifactError(f"{manifest_path} is not a model's manifest: {error}. Export the model again.") from error
    path = folder / manifest.file if manifest.file else folder
    if not path.exists():
        raise ArtifactError(f"{manifest_path} names {manifest.file}, which is not there. Export the model again.")
    name = manifest.name or folder.name
    return ModelFiles(manifest.format, path, f"{name}@{manifest.version}" if manifest.version else name)
