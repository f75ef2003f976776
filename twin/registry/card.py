"""A version as a model card: what it is, what it was made of, how it scored, where its limits are, who approved it.

The parts are those of Mitchell et al. (2019), "Model Cards for Model Reporting", as far as a registry knows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin.registry.manifests import numbers
from twin.registry.policy import gate_verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from twin.records import ModelVersion
    from twin.registry.history import Happening

__all__ = ["LICENCES", "model_card"]

LICENCES: Mapping[str, str] = {"SmolLM2-135M-Instruct": "Apache-2.0"}
"""Of the base models that the platform brings itself. What a person names, they know the licence of."""

LIMITS = """\
It was made to answer as its authors write, from passages that are shown with each question. Asked without them it
makes things up. It knows nothing that its authors did not write, apart from what its base learned. The figures are of
held-out passages of the same authors and say nothing of other text. A person has to read what is published in an
author's name."""


def model_card(version: ModelVersion, history: Sequence[Happening]) -> str:
    """The card of a version, in markdown."""
    manifest = version.manifest
    base = str(manifest.get("base_model", "unknown"))
    parts = [
        f"# {version.name} {version.version}",
        _table(
            ("fact", "value"),
            [
                ("status", version.status),
                ("review", _review(version)),
                ("base model", base),
                ("licence of the base", LICENCES.get(base, "not known here; see the base model's own card")),
                ("weights", manifest.get("sha256", "")),
                ("dataset", manifest.get("dataset_version", "")),
                ("training code", manifest.get("code_version", "")),
                ("gate", gate_verdict(manifest)),
            ],
        ),
        "## Recipe",
        _table(("name", "value"), [(name, value) for name, value in _as_dict(manifest.get("hyperparameters")).items()]),
        "## Figures",
        _table(
            ("figure", "value"),
            [(name, f"{value:.4g}") for name, value in numbers(_as_dict(manifest.get("scores"))).items()],
        ),
        "## Limits",
        LIMITS,
        "## Reviews",
        _table(
            ("when", "who", "what", "why"), [(one.at, one.by or "pipeline", one.what, one.comment) for one in history]
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _review(version: ModelVersion) -> str:
    if version.review == "approved" and version.waived:
        return f"approved by a waiver, no blind review ({', '.join(version.approved_by)})"
    by = f" ({', '.join(version.approved_by)})" if version.approved_by else ""
    return f"{version.review}{by}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [[_cell(value) for value in row] for row in rows]
    if not lines:
        return "None."
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(head), ["---"] * len(head), *lines])


def _cell(value: object) -> str:
    """A value in one cell of a markdown table: what people wrote cannot end it."""
    return " ".join(str(value).split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _as_dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
