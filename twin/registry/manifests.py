"""The manifest of a model version: the small JSON that says which model it is, how it was made, and how it scored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from twin.errors import InputError
from twin.records import content_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["IDENTITY_KEYS", "MANIFEST_FILE", "decode", "encode", "is_same_base", "manifest_fingerprint", "numbers"]

MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 1_000_000
IDENTITY_KEYS = ("sha256", "dataset_version", "code_version", "base_model", "hyperparameters", "recipe")
"""The parts of a manifest that say which model it is; the rest (scores, times, examples) are findings about it."""


def manifest_fingerprint(manifest: Mapping[str, Any]) -> str:
    """What makes two manifests the same model: the hash of their IDENTITY_KEYS, or of all where there is none."""
    identity = {key: manifest[key] for key in IDENTITY_KEYS if key in manifest} or dict(manifest)
    return content_hash(json.dumps(identity, sort_keys=True, default=str))


def is_same_base(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two models were trained from the same base: of the same weights, or of the same name where one has no
    hash. What says nothing of its base differs from nothing."""
    keys = [key for key in ("base_sha256", "base_model") if one.get(key) and other.get(key)]
    return not keys or one[keys[0]] == other[keys[0]]


def encode(manifest: Mapping[str, Any]) -> bytes:
    """The manifest as a JSON file.

    Raises:
        InputError: It is not JSON, or larger than MAX_MANIFEST_BYTES.
    """
    try:
        content = json.dumps(manifest, indent=2, ensure_ascii=False, sort_keys=True, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"The manifest is not plain JSON: {error}.") from error
    if len(content) > MAX_MANIFEST_BYTES:
        raise InputError(
            f"The manifest has {len(content):,} bytes; the registry takes {MAX_MANIFEST_BYTES:,}. Keep weights and "
            "large tables in the artifact store, and name them here."
        )
    return content


def decode(content: bytes) -> dict[str, Any]:
    """The manifest in a file; empty for a file that is no JSON object, for a version may have been given any file."""
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def numbers(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers in nested dicts, under names joined by dots."""
    flat: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            flat[f"{prefix}{name}"] = float(value)
    return flat
