"""Converted models: made on first use, kept by content, checked each time they are opened.

    <folder>/<key>.onnx    the graph with its weights
    <folder>/<key>.json    its sha256, and how near its vectors are to float32; written last

The key is a hash over the weights, the model's configuration, the converter's version and the precision, so that a file
never stands for another model. One that is missing or damaged is made again.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from twin import disk
from twin.features.backends import bert, graph
from twin.records import content_hash

if TYPE_CHECKING:
    from pathlib import Path

    from twin.features.backends.bert import Bert

__all__ = ["Nearness", "Store"]

logger = logging.getLogger(__name__)

CONFIGURATION = ("config.json", "1_Pooling/config.json")
KEPT = 4
"""Converted models that stay in the folder, the latest."""


class Nearness(msgspec.Struct, frozen=True, kw_only=True):
    """Cosine of a converted model's vectors to those in float32, over the probes."""

    mean: float
    worst: float


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    sha256: str
    nearness: Nearness | None = None


class Store:
    """The conversions of one model folder. Without a folder to keep them in, they are made anew for each process."""

    def __init__(self, model: Path, weights_sha256: str, kept_in: Path | None) -> None:
        self._model = model
        self._weights_sha256 = weights_sha256
        self._kept_in = kept_in
        self._read: Bert | None = None

    def load(self, *, int8: bool) -> tuple[bytes, Nearness | None]:
        """The serialised graph, with what is known of its nearness; None when it has not been measured yet.

        Raises:
            ImportError: The `onnx` package, which writes the graph, is not installed.
            KeyError, ValueError: The model's weights are not those of a BERT.
        """
        stored = self._stored(int8=int8)
        if stored is not None:
            return stored
        if self._read is None:
            self._read = bert.read(self._model)
        return graph.write(self._read, int8=int8), None

    def keep(self, content: bytes, nearness: Nearness | None, *, int8: bool) -> None:
        """Stores a graph for the next process. A disk that takes no more is no reason not to embed."""
        if self._kept_in is None:
            return
        path = self._path(int8=int8)
        record = _Record(sha256=hashlib.sha256(content).hexdigest(), nearness=nearness)
        try:
            disk.write(path, content)
            disk.write(path.with_suffix(".json"), msgspec.json.encode(record))
            self._remove_old(path)
        except OSError as error:
            logger.warning("The converted embedding model was not kept in %s: %s", path.parent, error)

    def _stored(self, *, int8: bool) -> tuple[bytes, Nearness | None] | None:
        if self._kept_in is None:
            return None
        path = self._path(int8=int8)
        try:
            record = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=_Record)
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
            logger.warning("The converted embedding model %s cannot be read and is made again: %s", path, error)
            return None
        if hashlib.sha256(content).hexdigest() != record.sha256:
            logger.warning("The converted embedding model %s is damaged and is made again.", path)
            return None
        return content, record.nearness

    def _path(self, *, int8: bool) -> Path:
        assert self._kept_in is not None  # noqa: S101 - asked by the callers
        parts = [(self._model / name).read_text("utf-8") for name in CONFIGURATION if (self._model / name).exists()]
        key = content_hash(self._weights_sha256, graph.VERSION, "int8" if int8 else "fp32", *parts)
        return self._kept_in / f"{key[:32]}.onnx"

    def _remove_old(self, newest: Path) -> None:
        others = sorted(newest.parent.glob("*.onnx"), key=_age, reverse=True)
        for path in [path for path in others if path != newest][KEPT - 1 :]:
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def _age(path: Path) -> Any:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # another process removed it
        return 0
