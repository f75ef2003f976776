"""BERT sentence models as they lie in a folder: whether a model is one, and its weights as numpy arrays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Bert", "Dense", "Layer", "Norm", "is_plain_bert", "read"]

PLAIN_MODULES = ("Transformer", "Pooling", "Normalize")


class Dense(NamedTuple):
    """A linear layer: `x @ weight.T + bias`."""

    weight: np.ndarray
    """Shape (outputs, inputs), float32."""
    bias: np.ndarray


class Norm(NamedTuple):
    """Layer normalisation's gain and shift of each channel."""

    gain: np.ndarray
    shift: np.ndarray


class Layer(NamedTuple):
    """One transformer layer, normalised after each of its two halves."""

    attention_in: Dense
    """Query, key and value, one under the other."""
    attention_out: Dense
    attention_norm: Norm
    feed_in: Dense
    feed_out: Dense
    feed_norm: Norm


class Bert(NamedTuple):
    """A BERT encoder with mean or first-token pooling."""

    heads: int
    epsilon: float
    first_token: bool
    """Whether the first token's vector stands for the text, rather than the mean of all."""
    words: np.ndarray
    """Shape (vocabulary, hidden), float32."""
    positions: np.ndarray
    """Shape (positions, hidden), the embedding of the first token type included."""
    norm: Norm
    layers: list[Layer]

    @property
    def hidden(self) -> int:
        return self.words.shape[1]


def is_plain_bert(folder: Path) -> bool:
    """Whether the model is BERT as published, pooled by mean or first token, and nothing else."""
    config = _read_json(folder / "config.json", {})
    modules = [module["type"].rsplit(".", 1)[-1] for module in _read_json(folder / "modules.json", [])]
    pooling = _read_json(folder / "1_Pooling" / "config.json", {})
    modes = {mode for mode, used in pooling.items() if mode.startswith("pooling_mode") and used is True}
    prompts = _read_json(folder / "config_sentence_transformers.json", {}).get("prompts") or {}
    return (
        config.get("model_type") == "bert"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and config.get("hidden_act") == "gelu"
        and modules[:2] == ["Transformer", "Pooling"]
        and set(modules) <= set(PLAIN_MODULES)
        and modes in ({"pooling_mode_mean_tokens"}, {"pooling_mode_cls_token"})
        and not any(prompts.values())
        and not _read_json(folder / "sentence_bert_config.json", {}).get("do_lower_case")
        and (folder / "model.safetensors").exists()
    )


def read(folder: Path) -> Bert:
    """The model in a folder of which `is_plain_bert` is true.

    Raises:
        KeyError: A weight is missing.
        ValueError: The file of weights is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    config = _read_json(folder / "config.json", {})
    pooling = _read_json(folder / "1_Pooling" / "config.json", {})
    try:
        stored = load_file(folder / "model.safetensors")
    except SafetensorError as error:
        raise ValueError(f"{folder / 'model.safetensors'} cannot be read: {error}") from error
    weights = {name.removeprefix("bert."): array for name, array in stored.items()}
    return Bert(
        heads=config["num_attention_heads"],
        epsilon=config["layer_norm_eps"],
        first_token=pooling.get("pooling_mode_cls_token") is True,
        words=_float(weights["embeddings.word_embeddings.weight"]),
        positions=_float(weights["embeddings.position_embeddings.weight"])
        + _float(weights["embeddings.token_type_embeddings.weight"])[0],
        norm=_norm(weights, "embeddings.LayerNorm"),
        layers=[_layer(weights, f"encoder.layer.{number}") for number in range(config["num_hidden_layers"])],
    )


def _layer(weights: Mapping[str, np.ndarray], at: str) -> Layer:
    projections = [_dense(weights, f"{at}.attention.self.{name}") for name in ("query", "key", "value")]
    return Layer(
        attention_in=Dense(
            np.concatenate([projection.weight for projection in projections]),
            np.concatenate([projection.bias for projection in projections]),
        ),
        attention_out=_dense(weights, f"{at}.attention.output.dense"),
        attention_norm=_norm(weights, f"{at}.attention.output.LayerNorm"),
        feed_in=_dense(weights, f"{at}.intermediate.dense"),
        feed_out=_dense(weights, f"{at}.output.dense"),
        feed_norm=_norm(weights, f"{at}.output.LayerNorm"),
    )


def _dense(weights: Mapping[str, np.ndarray], at: str) -> Dense:
    return Dense(_float(weights[f"{at}.weight"]), _float(weights[f"{at}.bias"]))


def _norm(weights: Mapping[str, np.ndarray], at: str) -> Norm:
    return Norm(_float(weights[f"{at}.weight"]), _float(weights[f"{at}.bias"]))


def _float(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, dtype=np.float32)


def _read_json(path: Path, default: Any) -> Any:
    return json.loads(path.read_text("utf-8")) if path.exists() else default
