"""Which runtime computes a sentence model's vectors here.

BERT with mean or first-token pooling, which most small embedding models are, runs on ONNX Runtime: in 8 bits where the
processor has instructions for that, else in float32. Every other model runs in sentence-transformers, and so does BERT
where ONNX Runtime cannot load it. All of them give vectors that may stand in one index (see
docs/decisions/embedding-backend.md), so an index that was built on one machine can be searched on another.
"""

from __future__ import annotations

import importlib.util
import logging
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from twin.errors import SettingsError
from twin.features.backends.bert import is_plain_bert
from twin.features.backends.reference import ReferenceEncoder
from twin.features.backends.runtime import Unusable, multiplies_int8, open_runtime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from twin.features.backends.converted import Store
    from twin.features.backends.runtime import Precision

__all__ = ["Choice", "Encoder", "Runtime", "describe", "load_encoder"]

logger = logging.getLogger(__name__)

Runtime = Literal["auto", "onnx", "sentence-transformers"]


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    description: str
    """The runtime, its version and the precision, for the log and the doctor."""

    def encode(self, texts: Sequence[str], tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """Vectors of shape (n, dimensions), float32, unit length; row i belongs to `texts[i]`.

        Args:
            texts: What to embed.
            tokens: The token ids of each text, special tokens included; no text has more than the model takes.
        """
        ...


def load_encoder(
    store: Store,
    folder: Path,
    probes: Sequence[Sequence[int]],
    *,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    batch_size: int = 32,
) -> Encoder:
    """The fastest encoder that computes what the model in `folder` defines, or the one that is asked for.

    Args:
        store: The converted forms of the model.
        folder: The model.
        probes: Token ids of texts on which an 8-bit conversion is compared with float32.
        runtime: Which one; `auto` takes the fastest that works.
        precision: Of ONNX Runtime.
        batch_size: Of sentence-transformers.

    Raises:
        SettingsError: ONNX Runtime is asked for by name and cannot run this model here.
    """
    if runtime == "sentence-transformers" or not is_plain_bert(folder):
        if runtime == "onnx":
            raise SettingsError(
                "EMBEDDING_RUNTIME=onnx runs BERT models with mean or first-token pooling only, and "
                f"{folder.name} is none. Leave EMBEDDING_RUNTIME unset."
            )
        return ReferenceEncoder(folder, batch_size=batch_size)
    try:
        return open_runtime(store, probes, precision)
    except Unusable as error:
        if runtime == "onnx":
            raise SettingsError(
                f"EMBEDDING_RUNTIME=onnx: {error}. Reinstall with `make install`, or unset it to use "
                "sentence-transformers."
            ) from error
        logger.warning("Embedding in sentence-transformers, which gives the same vectors more slowly: %s.", error)
        return ReferenceEncoder(folder, batch_size=batch_size)


class Choice(NamedTuple):
    """The runtime that a model will run on."""

    what: str
    is_fallback: bool
    """Whether a faster one is meant for it, and is not installed."""


def describe(folder: Path, *, runtime: Runtime = "auto", precision: Precision = "auto") -> Choice:
    """What will run a model. Loads nothing."""
    if runtime == "sentence-transformers" or not is_plain_bert(folder):
        return Choice("sentence-transformers in float32", is_fallback=False)
    missing = [package for package in ("onnxruntime", "onnx") if importlib.util.find_spec(package) is None]
    if missing:
        why = f"since {' and '.join(missing)} is not installed: the same vectors, more slowly"
        return Choice(f"sentence-transformers in float32, {why}", is_fallback=True)
    if precision == "int8" or (precision == "auto" and multiplies_int8()):
        return Choice("ONNX Runtime in 8 bits", is_fallback=False)
    why = "as EMBEDDING_PRECISION says" if precision == "fp32" else "this processor has no 8-bit products"
    return Choice(f"ONNX Runtime in float32 ({why})", is_fallback=False)
