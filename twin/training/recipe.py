"""What makes a model: the recipe, and where its ingredients came from. Both travel as SageMaker hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from twin.errors import SettingsError
from twin.records import content_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Provenance", "Recipe", "from_hyperparameters", "to_hyperparameters"]

T = TypeVar("T", bound=msgspec.Struct)
Count = Annotated[int, Meta(ge=1)]
CountOrNone = Annotated[int, Meta(ge=0)]
Rate = Annotated[float, Meta(gt=0, le=1)]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Supervised fine-tuning of LoRA adapters (Hu et al. 2021) on every linear layer, and, where `dpo_steps` is not
    zero, preference training of the same adapters after it (DPO, Rafailov et al. 2023)."""

    epochs: Annotated[float, Meta(gt=0, le=100)] = 2.0
    """How often every sample is seen, unless `max_steps` ends the run before."""
    max_steps: Count = 70
    """Optimizer steps at most."""
    max_length: Annotated[int, Meta(ge=64, le=131072)] = 768
    """Tokens of one packed sequence."""
    batch_size: Count = 1
    """Packed sequences of one forward pass."""
    gradient_accumulation: Count = 1
    """Forward passes of one optimizer step."""
    learning_rate: Rate = 2e-4
    """At its peak, after warm-up; then it falls along a cosine to zero."""
    warmup_ratio: Annotated[float, Meta(ge=0, lt=1)] = 0.05
    """Share of the steps in which the learning rate rises from zero."""
    lora_r: Annotated[int, Meta(ge=1, le=1024)] = 16
    """Rank of the adapters."""
    lora_alpha: Count = 32
    """The adapters' output is scaled by alpha / r."""
    quantization: Literal["none", "nf4"] = "none"
    """How the frozen base is held while it trains: as it is, or in 4 bits (QLoRA, Dettmers et al. 2023), on a GPU."""
    gradient_checkpointing: bool = False
    """Computes activations again in the backward pass: a third slower, a fraction of the memory."""
    learn_end: bool = True
    """Whether the end of a turn is learned too. A small model that sees few samples learns first of all to stop, after
    a few words; without this it stops as its base does."""
    eval_every: CountOrNone = 12
    """Steps between looks at the held-out loss; 0 never looks."""
    eval_samples: Count = 6
    """Held-out samples of one look."""
    patience: Count = 2
    """Training ends after so many looks in a row without a lower held-out loss; the adapters of the lowest are kept."""
    dpo_steps: CountOrNone = 0
    """Optimizer steps of preference training at most; 0 leaves it out. `epochs` bounds them as it bounds the others."""
    dpo_pairs: Count = 4
    """Pairs of one step."""
    dpo_learning_rate: Rate = 1e-4
    """At its peak."""
    dpo_beta: Annotated[float, Meta(gt=0, le=10)] = 0.1
    """How strongly the model is held to what it was before preference training."""
    dpo_sft_weight: Annotated[float, Meta(ge=0, le=10)] = 1.0
    """Weight of the chosen answer's own loss beside the preference loss."""
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 42
    """Seeds the order of the data and the adapters."""

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
    preference_version: str = ""
    """Of the preference pairs; none where the recipe leaves preference training out."""


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
