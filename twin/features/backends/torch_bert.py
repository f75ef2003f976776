"""BERT sentence models on torch's own transformer layers, without importing transformers.

For machines on which ONNX Runtime cannot run the model. `import torch` takes 2 s and `import sentence_transformers` 7
to 12 s more (2 AVX2 cores), so the weights are read straight into `torch.nn.TransformerEncoder`, whose fused layers
compute the same vectors.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from twin.features.backends import bert

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from twin.features.backends.bert import Bert

__all__ = ["TorchEncoder"]

BATCH_TOKENS = 1_024
"""Tokens of one batch, padding included: a core's cache holds the activations of about so many. Passages a second on
one AVX-512 core: 17 one by one, 14 eight at a time, 11 at 32."""


class TorchEncoder:
    """A BERT encoder with mean or first-token pooling, in float32 on the CPU."""

    def __init__(self, folder: Path) -> None:
        import torch

        model = bert.read(folder)
        self._threads = torch.get_num_threads()
        self._first_token = model.first_token
        self._epsilon = model.epsilon
        self._dimensions = model.hidden
        self._words, self._positions = torch.from_numpy(model.words), torch.from_numpy(model.positions)
        self._norm = torch.from_numpy(model.norm.gain), torch.from_numpy(model.norm.shift)
        self._layers = _transformer(model)
        self.description = f"torch {torch.__version__}, fp32"

    def encode(self, texts: Sequence[str], tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """Vectors of shape (n, dimensions), float32, unit length. Rows follow `tokens`; `texts` are not looked at.

        One text alone, which is a question, gets one thread: when the language model generates on the same cores, two
        threads wait for each other at every layer (measured with 2 busy cores: p50 26 ms and p99 550 ms, against 16 and
        25 ms on one thread; 10 and 17 ms when idle).
        """
        vectors = np.empty((len(tokens), self._dimensions), dtype=np.float32)
        if len(tokens) == 1:
            with self._one_thread():
                vectors[:] = self._encode(tokens)
            return vectors
        for batch in _batches([len(ids) for ids in tokens]):
            vectors[batch] = self._encode([tokens[index] for index in batch])
        return vectors

    @contextlib.contextmanager
    def _one_thread(self) -> Generator[None]:
        import torch

        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(self._threads)

    def _encode(self, batch: Sequence[Sequence[int]]) -> np.ndarray:
        import torch

        longest = max(map(len, batch))
        tokens = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in batch])
        lengths = torch.tensor([len(ids) for ids in batch])
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


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Indexes in batches of alike lengths, each within `BATCH_TOKENS` unless one text alone is not."""
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batches and lengths[index] * (len(batches[-1]) + 1) <= BATCH_TOKENS:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def _transformer(model: Bert) -> Any:
    """torch's encoder stack holding the weights of a BERT."""
    import torch

    layer = torch.nn.TransformerEncoderLayer(
        d_model=model.hidden,
        nhead=model.heads,
        dim_feedforward=len(model.layers[0].feed_in.weight),
        activation="gelu",
        layer_norm_eps=model.epsilon,
        batch_first=True,
    )
    stack = torch.nn.TransformerEncoder(layer, len(model.layers), enable_nested_tensor=False)
    state = {}
    for number, weights in enumerate(model.layers):
        for name, part in (
            ("self_attn.in_proj_", weights.attention_in),
            ("self_attn.out_proj.", weights.attention_out),
            ("linear1.", weights.feed_in),
            ("linear2.", weights.feed_out),
        ):
            state[f"layers.{number}.{name}weight"] = torch.from_numpy(part.weight)
            state[f"layers.{number}.{name}bias"] = torch.from_numpy(part.bias)
        for name, norm in (("norm1", weights.attention_norm), ("norm2", weights.feed_norm)):
            state[f"layers.{number}.{name}.weight"] = torch.from_numpy(norm.gain)
            state[f"layers.{number}.{name}.bias"] = torch.from_numpy(norm.shift)
    stack.load_state_dict(state)
    return stack.eval()
