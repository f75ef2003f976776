"""BERT sentence encoders on torch's own transformer layers, without importing transformers.

`import torch` takes 2 s and `import sentence_transformers` 7 to 12 s more, and its `encode` adds 7 ms to a query's 13
(2 AVX2 cores). Most small embedding models are BERT with mean or first-token pooling, so that family is read straight
from its safetensors into `torch.nn.TransformerEncoder`, whose fused layers compute the same vectors. Every other model
runs in sentence-transformers, which is also what the tests compare this encoder with.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    import numpy as np
    from tokenizers import Tokenizer

__all__ = ["BertEncoder", "Encoder", "ReferenceEncoder", "load_encoder"]

PLAIN_MODULES = ("Transformer", "Pooling", "Normalize")


class Encoder(Protocol):
    """Turns one batch of texts into unit vectors."""

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...


def load_encoder(folder: Path, tokenizer: Tokenizer) -> Encoder:
    """The fastest encoder that computes what the model in `folder` defines."""
    if _is_plain_bert(folder):
        return BertEncoder(folder, tokenizer)
    return ReferenceEncoder(folder)


def _read_json(path: Path, default: Any) -> Any:
    return json.loads(path.read_text("utf-8")) if path.exists() else default


def _is_plain_bert(folder: Path) -> bool:
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


class BertEncoder:
    """A BERT encoder with mean or first-token pooling, in float32 on the CPU."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        import torch
        from safetensors.torch import load_file

        config = _read_json(folder / "config.json", {})
        pooling = _read_json(folder / "1_Pooling" / "config.json", {})
        weights = {
            name.removeprefix("bert."): tensor.float()
            for name, tensor in load_file(folder / "model.safetensors").items()
        }
        self._tokenizer = tokenizer
        self._threads = torch.get_num_threads()
        self._pad_id = config.get("pad_token_id", 0)
        self._first_token = pooling.get("pooling_mode_cls_token") is True
        self._epsilon = config["layer_norm_eps"]
        self._words = weights["embeddings.word_embeddings.weight"]
        self._positions = (
            weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"]
        self._layers = _transformer(config, weights)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of shape (n, dimensions), float32, unit length. Rows follow `texts`.

        One text alone, which is a question, gets one thread: when the language model generates on the same cores, two
        threads wait for each other at every layer (measured with 2 busy cores: p50 26 ms and p99 550 ms, against 16 and
        25 ms on one thread; 10 and 17 ms when idle).
        """
        if len(texts) > 1:
            return self._encode(texts)
        with self._one_thread():
            return self._encode(texts)

    @contextlib.contextmanager
    def _one_thread(self) -> Generator[None]:
        import torch

        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(self._threads)

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        encodings = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        longest = max(len(ids) for ids in encodings)
        tokens = torch.tensor([ids + [self._pad_id] * (longest - len(ids)) for ids in encodings])
        lengths = torch.tensor([len(ids) for ids in encodings])
        padding = torch.arange(longest) >= lengths[:, None]
        with torch.inference_mode():
            hidden = torch.nn.functional.layer_norm(
                self._words[tokens] + self._positions[:longest], self._norm[0].shape, *self._norm, self._epsilon
            )
            hidden = self._layers(hidden, src_key_padding_mask=padding if padding.any() else None)
            return torch.nn.functional.normalize(self._pool(hidden, padding), dim=1).numpy()

    def _pool(self, hidden: Any, padding: Any) -> Any:
        if self._first_token:
            return hidden[:, 0]
        kept = (~padding).unsqueeze(-1)
        return (hidden * kept).sum(1) / kept.sum(1)


def _transformer(config: dict, weights: dict) -> Any:
    """torch's encoder stack holding the weights of a BERT checkpoint."""
    import torch

    layer = torch.nn.TransformerEncoderLayer(
        d_model=config["hidden_size"],
        nhead=config["num_attention_heads"],
        dim_feedforward=config["intermediate_size"],
        activation="gelu",
        layer_norm_eps=config["layer_norm_eps"],
        batch_first=True,
    )
    stack = torch.nn.TransformerEncoder(layer, config["num_hidden_layers"], enable_nested_tensor=False)
    state = {}
    for number in range(config["num_hidden_layers"]):
        bert, ours = f"encoder.layer.{number}.", f"layers.{number}."
        for part in ("weight", "bias"):
            projections = [weights[f"{bert}attention.self.{name}.{part}"] for name in ("query", "key", "value")]
            state[f"{ours}self_attn.in_proj_{part}"] = torch.cat(projections)
            state[f"{ours}self_attn.out_proj.{part}"] = weights[f"{bert}attention.output.dense.{part}"]
            state[f"{ours}norm1.{part}"] = weights[f"{bert}attention.output.LayerNorm.{part}"]
            state[f"{ours}linear1.{part}"] = weights[f"{bert}intermediate.dense.{part}"]
            state[f"{ours}linear2.{part}"] = weights[f"{bert}output.dense.{part}"]
            state[f"{ours}norm2.{part}"] = weights[f"{bert}output.LayerNorm.{part}"]
    stack.load_state_dict(state)
    return stack.eval()


class ReferenceEncoder:
    """Any model that sentence-transformers can load, in sentence-transformers."""

    def __init__(self, folder: Path) -> None:
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of shape (n, dimensions), float32, unit length. Rows follow `texts`."""
        return self._model.encode(
            list(texts),
            batch_size=len(texts),
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
