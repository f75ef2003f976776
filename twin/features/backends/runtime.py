"""BERT sentence models on ONNX Runtime: one text a run, one thread a run, as many runs at once as there are cores.

Texts of different lengths then need no padding, their activations stay in a core's cache, and no thread waits for
another at every layer. A question runs in the thread that asks, on one core, whatever else the machine is doing.
"""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from twin.features.backends import graph
from twin.features.backends.converted import Nearness, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LEAST_MEAN", "LEAST_WORST", "Precision", "RuntimeEncoder", "Unusable", "multiplies_int8", "open_runtime"]

logger = logging.getLogger(__name__)

Precision = Literal["auto", "int8", "fp32"]
LEAST_MEAN, LEAST_WORST = 0.99, 0.98
"""Nearer than this to float32, vectors may stand in one index. Measured with all-MiniLM-L6-v2: 0.998 and 0.996."""

INT8_FEATURES = frozenset({"avx512_vnni", "avx_vnni", "avx_vnni_int8", "asimddp"})
"""What /proc/cpuinfo calls instructions that multiply 8-bit integers and add them up without overflow."""
ONLY_ERRORS = 3
"""ONNX Runtime's number for that log level."""


class Unusable(Exception):
    """ONNX Runtime cannot run the model here; says why."""


class RuntimeEncoder:
    """An ONNX Runtime session from the token ids of a text to its unit vector. Safe to share between threads."""

    def __init__(self, session: Any, *, dimensions: int, precision: str, nearness: Nearness | None) -> None:
        import onnxruntime

        self._session = session
        self._dimensions = dimensions
        self.nearness = nearness
        """How near 8-bit vectors are to float32, as measured when the model was converted; None in float32."""
        self.description = f"ONNX Runtime {onnxruntime.__version__}, {precision}"
        self._starting = threading.Lock()

    def encode(self, texts: Sequence[str], tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """Vectors of shape (n, dimensions), float32, unit length. Rows follow `tokens`; `texts` are not looked at."""
        vectors = np.empty((len(tokens), self._dimensions), dtype=np.float32)
        if len(tokens) < 2 or self._cores < 2:
            for index, ids in enumerate(tokens):
                vectors[index] = self._run(ids)
            return vectors
        longest_first = sorted(range(len(tokens)), key=lambda index: -len(tokens[index]))  # all cores end together
        for index, vector in zip(
            longest_first, self._pool.map(self._run, [tokens[index] for index in longest_first]), strict=True
        ):
            vectors[index] = vector
        return vectors

    def _run(self, ids: Sequence[int]) -> np.ndarray:
        return self._session.run([graph.OUTPUT], {graph.INPUT: np.array([ids], dtype=np.int64)})[0][0]

    @cached_property
    def _cores(self) -> int:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    @property
    def _pool(self) -> ThreadPoolExecutor:
        with self._starting:
            return self._started_pool

    @cached_property
    def _started_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._cores, thread_name_prefix="embedding")


def open_runtime(store: Store, probes: Sequence[Sequence[int]], precision: Precision = "auto") -> RuntimeEncoder:
    """The model on ONNX Runtime; converted first where that has not been done.

    Args:
        store: Where the converted model is, or will be.
        probes: Token ids of texts over which 8-bit vectors are compared with those in float32, once for each
            conversion. When they are not near enough, the model runs in float32.
        precision: `auto` takes 8 bits where the processor has instructions for them.

    Raises:
        Unusable: ONNX Runtime is not installed, or cannot load the graph.
    """
    int8 = multiplies_int8() if precision == "auto" else precision == "int8"
    try:
        if int8 and (encoder := _open_int8(store, probes)) is not None:
            return encoder
        return _open_fp32(store, keep=True)
    except (ImportError, OSError) as error:
        raise Unusable(f"ONNX Runtime cannot be loaded ({error})") from error
    except (KeyError, ValueError) as error:
        raise Unusable(f"the model cannot be converted ({error!r})") from error


def _open_int8(store: Store, probes: Sequence[Sequence[int]]) -> RuntimeEncoder | None:
    """The model in 8 bits, or None when that would change its vectors too much."""
    content, nearness = store.load(int8=True)
    session = _session(content)
    if nearness is None:
        reference = _open_fp32(store, keep=False)
        nearness = _compare(_encoder(session, "int8", None).encode([], probes), reference.encode([], probes))
        store.keep(content, nearness, int8=True)
    if nearness.mean < LEAST_MEAN or nearness.worst < LEAST_WORST:
        logger.warning(
            "The embedding model runs in float32: in 8 bits its vectors would have a cosine of %.3f to those "
            "(%.3f at worst).", nearness.mean, nearness.worst,
        )  # fmt: skip
        return None
    return _encoder(session, "int8", nearness)


def _open_fp32(store: Store, *, keep: bool) -> RuntimeEncoder:
    content, nearness = store.load(int8=False)
    session = _session(content)
    if keep and nearness is None:
        store.keep(content, Nearness(mean=1.0, worst=1.0), int8=False)
    return _encoder(session, "fp32", None)


def _encoder(session: Any, precision: str, nearness: Nearness | None) -> RuntimeEncoder:
    dimensions = session.get_outputs()[0].shape[-1]
    return RuntimeEncoder(session, dimensions=dimensions, precision=precision, nearness=nearness)


def _session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = ONLY_ERRORS
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no base class of their own
        raise Unusable(f"ONNX Runtime {onnxruntime.__version__} cannot load the model ({error})") from error


def _compare(vectors: np.ndarray, reference: np.ndarray) -> Nearness:
    cosines = (vectors * reference).sum(axis=1)
    return Nearness(mean=float(cosines.mean()), worst=float(cosines.min()))


def multiplies_int8() -> bool:
    """Whether this processor has instructions for products of 8-bit integers.

    Without them (AVX2 alone) the gain is small and sums may overflow, so float32 is used.
    """
    return bool(INT8_FEATURES & _processor_features())


def _processor_features() -> frozenset[str]:
    import platform
    import sys
    from pathlib import Path

    if sys.platform == "darwin" and platform.machine() == "arm64":
        return frozenset({"asimddp"})  # every Apple processor of that kind
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    described = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(described.partition(":")[2].split())
