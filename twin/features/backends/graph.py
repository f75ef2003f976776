"""A BERT sentence model as an ONNX graph: token ids of one text in, its unit vector out.

The graph is written from the weights, in a fraction of a second; exporting it from torch takes 12 s and two packages
more. It takes one text at a time, so that nothing is padded and no mask is computed. With `int8`, weights are rounded
to 8 bits per output channel and inputs per text as they come (ONNX Runtime's DynamicQuantizeMatMul), with two
corrections that cost 4% of the speed and halve the rounding error:

- The channels that a layer normalisation makes large are divided before they are rounded, and the weights that they
  meet multiplied by the same (SmoothQuant, Xiao and others, ICML 2023); how large follows from its gain and shift, so
  that no sample texts are needed.
- Each token's input of a layer's last product is divided by its largest value, which GELU leaves uneven, and the
  product multiplied by it: every token then has a scale of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.features.backends.bert import Bert, Dense, Layer, Norm

__all__ = ["INPUT", "OUTPUT", "VERSION", "write"]

VERSION = "1"
"""Changes when the same weights would give another graph."""

INPUT, OUTPUT = "tokens", "vector"
OPSET, CONTRIBUTED, IR = 20, "com.microsoft", 10
LEVELS = 127.0
SMOOTHING = 0.7
"""How much of a channel's size the weights take over. Cosine to float32, worst of 96 passages: 0.9944 at 0.3, 0.9956 at
0.5, 0.9960 at 0.7."""
SPREAD = 3.0
"""A normalised channel's values reach about so many times its gain."""
SMALLEST_PEAK = 0.2
"""GELU's values below zero reach 0.17, so a token's largest size is taken to be no smaller than this."""


def write(bert: Bert, *, int8: bool) -> bytes:
    """The serialised model."""
    return _Writer(bert, int8=int8).model()


class _Writer:
    def __init__(self, bert: Bert, *, int8: bool) -> None:
        self._bert = bert
        self._int8 = int8
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def model(self) -> bytes:
        from onnx import TensorProto, helper

        state, norm = self._embeddings(), self._bert.norm
        for number, layer in enumerate(self._bert.layers):
            state = self._layer(state, norm, layer, f"layer{number}")
            norm = layer.feed_norm
        self._pool(state)
        graph = helper.make_graph(
            self._nodes,
            "bert",
            [helper.make_tensor_value_info(INPUT, TensorProto.INT64, [1, "length"])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, self._bert.hidden])],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIBUTED, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR).SerializeToString()

    def _embeddings(self) -> str:
        from onnx import TensorProto

        if self._int8:  # half the file; what float16 rounds away is a hundredth of what int8 does
            words = self._constant("words", self._bert.words.astype(np.float16))
            tokens = self._node("Cast", [self._node("Gather", [words, INPUT])], to=TensorProto.FLOAT)
        else:
            tokens = self._node("Gather", [self._constant("words", self._bert.words), INPUT])
        length = self._node("Shape", [INPUT], start=1, end=2)
        first = self._constant("first", np.zeros(1, np.int64))
        positions = self._node("Slice", [self._constant("positions", self._bert.positions), first, length, first])
        return self._normalised(self._node("Add", [tokens, positions]), self._bert.norm, "embeddings")

    def _layer(self, state: str, norm: Norm, layer: Layer, name: str) -> str:
        """One layer over `state`, which came out of `norm`."""
        projected = self._after_norm(state, norm, layer.attention_in, f"{name}.attention_in")
        thirds = self._constant("thirds", np.full(3, self._bert.hidden, np.int64))
        heads = self._node("Split", [projected, thirds], outputs=3, axis=2)
        attended = self._node("MultiHeadAttention", heads, domain=CONTRIBUTED, num_heads=self._bert.heads)
        joined = self._dense(attended, layer.attention_out, f"{name}.attention_out")
        state = self._normalised(self._node("Add", [joined, state]), layer.attention_norm, f"{name}.attention")
        opened = self._after_norm(state, layer.attention_norm, layer.feed_in, f"{name}.feed_in")
        closed = self._after_gelu(self._node("Gelu", [opened]), layer.feed_out, f"{name}.feed_out")
        return self._normalised(self._node("Add", [closed, state]), layer.feed_norm, f"{name}.feed")

    def _pool(self, state: str) -> None:
        axis = self._constant("axis", np.ones(1, np.int64))
        if self._bert.first_token:
            pooled = self._node("Gather", [state, self._constant("cls", np.array(0, np.int64))], axis=1)
        else:
            pooled = self._node("ReduceMean", [state, axis], keepdims=0)
        self._node("LpNormalization", [pooled], axis=-1, p=2)
        self._nodes[-1].output[0] = OUTPUT

    def _after_norm(self, state: str, norm: Norm, dense: Dense, name: str) -> str:
        """The linear layer over a normalised input, whose large channels are made smaller before they are rounded."""
        if not self._int8:
            return self._dense(state, dense, name)
        sizes = SPREAD * np.abs(norm.gain) + np.abs(norm.shift)
        largest = np.maximum(np.abs(dense.weight).max(axis=0), 1e-6)
        scales = np.maximum(sizes, 1e-6) ** SMOOTHING / largest ** (1 - SMOOTHING)
        scales /= np.exp(np.log(scales).mean())
        smooth = self._node("Mul", [state, self._constant(f"{name}.smoothing", 1 / scales)])
        return self._dense(smooth, dense._replace(weight=dense.weight * scales), name)

    def _after_gelu(self, state: str, dense: Dense, name: str) -> str:
        """The linear layer over GELU's output, where every token has a scale of its own when it is rounded."""
        if not self._int8:
            return self._dense(state, dense, name)
        largest = self._node("ReduceMax", [state, self._constant("channels", np.array([-1], np.int64))], keepdims=1)
        peak = self._node("Max", [largest, self._constant("smallest_peak", np.array(SMALLEST_PEAK, np.float32))])
        product = self._rounded(self._node("Div", [state, peak]), dense.weight, name)
        scaled = self._node("Mul", [product, peak])
        return self._node("Add", [scaled, self._constant(f"{name}.bias", dense.bias)])

    def _dense(self, state: str, dense: Dense, name: str) -> str:
        bias = self._constant(f"{name}.bias", dense.bias)
        if self._int8:
            return self._rounded(state, dense.weight, name, bias)
        product = self._node("MatMul", [state, self._constant(f"{name}.weight", dense.weight.T)])
        return self._node("Add", [product, bias])

    def _rounded(self, state: str, weight: np.ndarray, name: str, bias: str | None = None) -> str:
        """The product in 8 bits: weights per output channel and symmetric, inputs over the whole text as they come."""
        scales = np.maximum(np.abs(weight).max(axis=1), 1e-12) / LEVELS
        rounded = np.rint(weight / scales[:, None]).astype(np.int8)
        inputs = [state, self._constant(f"{name}.weight", rounded.T), self._constant(f"{name}.scales", scales)]
        return self._node("DynamicQuantizeMatMul", [*inputs, "", bias] if bias else inputs, domain=CONTRIBUTED)

    def _normalised(self, state: str, norm: Norm, name: str) -> str:
        gain, shift = self._constant(f"{name}.gain", norm.gain), self._constant(f"{name}.shift", norm.shift)
        return self._node("LayerNormalization", [state, gain, shift], axis=-1, epsilon=self._bert.epsilon)

    def _constant(self, name: str, array: np.ndarray) -> str:
        from onnx import numpy_helper

        if name not in self._constants:
            kept = array.astype(np.float32) if array.dtype == np.float64 else array
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(kept), name)
        return name

    def _node(self, kind: str, inputs: Sequence[str], *, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        """Adds an operation; gives the name of its output, or the list of their names."""
        from onnx import helper

        made = [f"{kind}_{len(self._nodes)}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(kind, inputs, made, domain=domain, **attributes))
        return made[0] if outputs == 1 else made
