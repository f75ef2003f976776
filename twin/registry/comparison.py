"""Two versions side by side, by what their manifests say: figures, data, recipe, cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from twin.registry.manifests import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Difference", "Part", "compare"]

Part = Literal["figures", "data", "recipe", "cost"]

PARTS: Mapping[Part, tuple[str, ...]] = {
    "data": ("dataset_version", "dataset"),
    "recipe": ("base_model", "base_sha256", "code_version", "recipe", "hyperparameters", "seed"),
    "cost": ("cost", "metrics"),
}
"""Which keys of a manifest belong to which part; `scores` are the figures."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One value of two manifests; None where a manifest has none."""

    part: Part
    name: str
    a: str | float | None
    b: str | float | None

    @property
    def is_one(self) -> bool:
        """Whether the two really differ."""
        return self.a != self.b


def compare(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Difference]:
    """Every figure, and of data, recipe and cost every value that either manifest names, in the order of the parts."""
    found: list[tuple[Part, Mapping[str, str | float], Mapping[str, str | float]]] = [
        ("figures", numbers(_as_dict(a.get("scores"))), numbers(_as_dict(b.get("scores")))),
        *((part, _values(a, keys), _values(b, keys)) for part, keys in PARTS.items()),
    ]
    return [
        Difference(part=part, name=name, a=left.get(name), b=right.get(name))
        for part, left, right in found
        for name in dict.fromkeys([*left, *right])
    ]


def _values(manifest: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, str | float]:
    """The plain values under some keys; what is nested gets names joined by dots."""
    flat: dict[str, str | float] = {}
    for key in keys:
        if key in manifest:
            flat |= _flattened(key, manifest[key])
    return flat


def _flattened(name: str, value: object) -> dict[str, str | float]:
    if isinstance(value, dict):
        parts = [_flattened(f"{name}.{key}", below) for key, below in value.items()]
        return {inner: found for part in parts for inner, found in part.items()}
    return {name: value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)}


def _as_dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
