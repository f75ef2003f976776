"""Fine-tuning: the base model, the train program, and where it runs."""

__all__ = ["VERSION"]

VERSION = "2"
"""The code version of training. Raise it when the same data and recipe would give another model."""
