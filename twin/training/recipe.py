"""What makes a model: the recipe, and where its ingredients came from. Both travel as SageMaker hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from twin.errors import SettingsError
from twin.records import content_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twin.settings import TrainingSettings

__all__ = ["Provenance", "Recipe", "from_hyperparameters", "to_hyperparameters"]

T = TypeVar("T", bound=msgspec.Struct)


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Supervised fine-tuning of LoRA adapters (Hu et al. 2021) on every linear layer."""

    max_steps: int = 20
    """Optimizer steps."""
    max_length: int = 768
    """Tokens of one packed sequence."""
    batch_size: int = 1
    """Packed sequences of one forward pass."""
    gradient_accumulation: int = 1
    """Forward passes of one optimizer step."""
    learning_rate: float = 5e-4
    """At its peak, after warm-up; then it falls along a cosine to zero."""
    warmup_steps: int = 2
    """Steps in which the learning rate rises from zero."""
    lora_r: int = 16
    """Rank of the adapters."""
    lora_alpha: int = 32
    """The adapters' output is scaled by alpha / r."""
    seed: int = 42
    """Seeds the order of the data and the adapters."""

    @classmethod
    def from_settings(cls, settings: TrainingSettings) -> Recipe:
        """The recipe that the settings ask for; alpha is twice the rank."""
        return cls(
            max_steps=settings.max_steps,
            max_length=settings.max_length,
            learning_rate=settings.learning_rate,
            lora_r=settings.lora_r,
            lora_alpha=2 * settings.lora_r,
            seed=settings.seed,
        )

    @property
    def hash(self) -> str:
        """Changes exactly when a value of the recipe changes."""
        return content_hash(*(f"{name}={value}" for name, value in sorted(msgspec.structs.asdict(self).items())))


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a training run's ingredients came from. It does not steer the training; the manifest repeats it."""

    base_model: str
    base_sha256: str
    dataset_version: str
    code_version: str


def to_hyperparameters(*parts: msgspec.Struct) -> dict[str, str]:
    """All fields of the parts as strings, as SageMaker passes them."""
    return {name: str(value) for part in parts for name, value in msgspec.structs.asdict(part).items()}


def from_hyperparameters(values: Mapping[str, Any], kind: type[T]) -> T:
    """One part back from the strings; keys of other parts are left alone.

    Raises:
        SettingsError: A value is missing or does not fit; names it.
    """
    try:
        return msgspec.convert(dict(values), kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"The hyperparameters do not make a {kind.__name__}: {error}.") from None
