"""What a training container on SageMaker runs as `train`: the train program, after a look at what it was given.

The platform has laid out `/opt/ml` and takes from there what the program leaves. What comes besides: each input channel
is checked against the sha256 that it was sent with, the image must have the version of the code that the job was made
for, and the threads are as many as the machine has cores. Exit codes are the program's.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import msgspec

from twin.artifacts.model_folder import FOLDER_MANIFEST, file_sha256
from twin.artifacts.store import FolderManifest
from twin.errors import ArtifactError, TrainingFailed, TwinError
from twin.training import VERSION, compute
from twin.training.program import __main__ as program
from twin.training.program.container import Container
from twin.training.recipe import Provenance, from_hyperparameters

__all__ = ["check", "main"]


def main() -> int:
    """Runs one training job and returns its exit code."""
    container = Container(Path(os.environ.get("SM_ROOT", "/opt/ml")))
    for name, value in {**compute.environment(), "HF_DATASETS_CACHE": tempfile.mkdtemp()}.items():
        os.environ.setdefault(name, value)
    try:
        check(container)
    except TwinError as error:
        container.fail(error.message)
        sys.stderr.write(f"{error.message}\n")
        return 1
    return program.main()


def check(container: Container) -> None:
    """Returns if the job is one for this image, and its input is whole.

    Raises:
        TrainingFailed: The image has another version of the code.
        ArtifactError: A file of a channel is missing or is not what was sent.
    """
    wanted = from_hyperparameters(container.hyperparameters(), Provenance).code_version
    if wanted != VERSION:
        raise TrainingFailed(
            f"The job is for version {wanted} of the training code, and the image has {VERSION}. Build and push the "
            "image of this version, and set SAGEMAKER_TRAINING_IMAGE to it."
        )
    for channel in container.given_channels():
        _check_channel(channel)


def _check_channel(channel: Path) -> None:
    try:
        manifest = msgspec.json.decode((channel / FOLDER_MANIFEST).read_bytes(), type=FolderManifest)
    except (FileNotFoundError, msgspec.MsgspecError):
        raise ArtifactError(
            f"The input channel {channel.name!r} has no list of its files: it was not sent whole."
        ) from None
    for name, digest in manifest.files.items():
        file = channel / name
        if not file.is_file() or file_sha256(file) != digest:
            raise ArtifactError(
                f"{name} of the input channel {channel.name!r} is missing or not what was sent. Run again: what is not "
                "as it was is sent anew."
            )


if __name__ == "__main__":
    sys.exit(main())
