"""Small classifiers of texts: a weight for each n-gram and, for some kinds, for each number of the text's vector.

The weights are a file of this package, made by `benchmarks/guard_training.py`; they load when they are first asked for.
A score of 0.5 is where that program drew the line.
"""

from __future__ import annotations

import json
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from twin.errors import ArtifactError
from twin.guards import features

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["WEIGHTS", "Classifier", "Scorer", "packaged"]

WEIGHTS = Path(__file__).parent / "weights.npz"


class Scorer(Protocol):
    """What gives a text a score for each kind that it knows."""

    @property
    def version(self) -> str:
        """What the scores depend on."""
        ...

    def scores(self, text: str, vector: np.ndarray | None = None) -> Mapping[str, float]:
        """From 0 to 1 by kind; kinds that need a vector are left out where none is given."""
        ...


class Classifier:
    """Logistic regressions over the same features, one a kind."""

    def __init__(self, path: Path = WEIGHTS) -> None:
        self._path = path
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """The beginning of the hash of the data that the weights were fitted on."""
        return str(self.about["data"])

    @property
    def about(self) -> dict[str, Any]:
        """What the file says about itself."""
        return self._loaded[0]

    def scores(self, text: str, vector: np.ndarray | None = None) -> dict[str, float]:
        """From 0 to 1 by kind; kinds that need a vector are left out where none fits them."""
        about, grams, dense = self._loaded
        buckets, amounts = features.features(text)
        sums = amounts @ grams[buckets] + np.asarray(about["intercepts"], np.float32)
        usable = vector is not None and len(vector) == dense.shape[0]
        found: dict[str, float] = {}
        for column, kind in enumerate(about["kinds"]):
            if dense[:, column].any():
                if not usable:
                    continue
                sums[column] += vector @ dense[:, column]
            found[kind] = float(1 / (1 + np.exp(-sums[column])))
        return found

    @cached_property
    def _loaded(self) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
        with self._lock:
            try:
                with np.load(self._path, allow_pickle=False) as stored:
                    about = json.loads(str(stored["about"]))
                    grams, dense = stored["grams"].astype(np.float32), stored["dense"].astype(np.float32)
            except (OSError, ValueError, KeyError) as error:
                raise ArtifactError(
                    f"The guards' weights {self._path} cannot be read. Install the package anew.", detail=repr(error)
                ) from error
        if about["features"] != features.VERSION or grams.shape[0] != 2 * features.BUCKETS:
            raise ArtifactError(
                f"The guards' weights {self._path} were fitted for other features. Run benchmarks/guard_training.py."
            )
        return about, grams, dense


packaged = Classifier()
"""The one that this package carries."""
