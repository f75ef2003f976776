"""SageMaker's training contract: where a train program finds its input and leaves its output.

The platform sets only the folders under `/opt/ml`; the `SM_*` variables come from a toolkit that may not be there. So
each path is the variable's, else the contract's own under `root`.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from twin.errors import TrainingFailed

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Container"]

MAX_REASON = 1024
"""SageMaker shows this many characters of a failure's reason."""


class Container:
    """The folders of one training job."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def channel(self, name: str) -> Path:
        """The folder of an input channel.

        Raises:
            TrainingFailed: The channel is missing.
        """
        if folder := self.optional_channel(name):
            return folder
        raise TrainingFailed(
            f"The input channel {name!r} is missing: neither SM_CHANNEL_{name.upper()} nor {self._channel_path(name)} "
            "is a folder."
        )

    def optional_channel(self, name: str) -> Path | None:
        """The folder of an input channel, or None."""
        folder = self._path(f"SM_CHANNEL_{name.upper()}", self._channel_path(name))
        return folder if folder.is_dir() else None

    def given_channels(self) -> list[Path]:
        """The folders of the input channels that the platform laid out."""
        return sorted(folder for folder in self._channel_path("").glob("*") if folder.is_dir())

    def hyperparameters(self) -> dict[str, str]:
        """The job's hyperparameters; every value is a string.

        Raises:
            TrainingFailed: The file is not a JSON object.
        """
        path = self.root / "input" / "config" / "hyperparameters.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingFailed(f"The hyperparameters in {path} cannot be read: {error}.") from error
        if not isinstance(values, dict):
            raise TrainingFailed(f"The hyperparameters in {path} are not a JSON object.")
        return values

    @property
    def model(self) -> Path:
        """What is here when the program ends is the model."""
        return self._path("SM_MODEL_DIR", self.root / "model")

    @property
    def checkpoints(self) -> Path:
        """Kept over restarts of the job."""
        return self.root / "checkpoints"

    @property
    def failure(self) -> Path:
        """Holds the reason of a failed job."""
        return self.root / "output" / "failure"

    def fail(self, reason: str) -> None:
        """Leaves the reason where the platform looks for it."""
        self.failure.parent.mkdir(parents=True, exist_ok=True)
        self.failure.write_text(reason[:MAX_REASON], encoding="utf-8")

    def _channel_path(self, name: str) -> Path:
        return self.root / "input" / "data" / name

    def _path(self, variable: str, default: Path) -> Path:
        return type(default)(os.environ[variable]) if os.environ.get(variable) else default
