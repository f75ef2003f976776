"""The train program: SageMaker's container contract, run as it is in a container or as a child process.

    python -m twin.training.program [--root /opt/ml]

Reads the channels `train`, `test` (optional) and `base`, fine-tunes with LoRA, merges, and leaves a servable model.
"""

__all__: list[str] = []
