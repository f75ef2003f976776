"""What an instruct dataset is, and what a model sees of it."""

from __future__ import annotations

from typing import Any

import msgspec

from twin import prompts
from twin.datasets.writer import PROMPT_VERSION
from twin.records import InstructSample, content_hash

__all__ = ["VERSION", "InstructDataset", "canonical", "to_messages"]

VERSION = "2"
"""Of the choice, the split, the requests and the filters."""


class InstructDataset(msgspec.Struct, frozen=True, kw_only=True):
    """Instructions with the author's own answers, split by document."""

    train: list[InstructSample]
    test: list[InstructSample]
    rejected: dict[str, int]
    """How many passages were left out, by reason."""
    test_documents: frozenset[str]
    """Every held-out document, those without a sample too."""
    writer: str

    @property
    def samples(self) -> list[InstructSample]:
        """Those of both splits."""
        return [*self.train, *self.test]

    @property
    def version(self) -> str:
        """A hash over everything in it; equal datasets have equal versions."""
        samples = sorted(msgspec.json.encode(sample).decode() for sample in self.samples)
        return content_hash(VERSION, PROMPT_VERSION, prompts.VERSION, *samples)[:32]

    @property
    def training_version(self) -> str:
        """A hash over what a model is trained on and nothing else: the prompts and completions of the train split.

        What is held out, ids, figures and the order of samples do not change it, so they make no new model.
        """
        return content_hash(*(_rendered(sample) for sample in canonical(self.train)))[:32]


def to_messages(sample: InstructSample) -> dict[str, list[dict[str, str]]]:
    """The sample as TRL's conversational prompt and completion, in the prompt that the twin is served with."""
    prompt = prompts.answer_messages(sample.instruction, sample.author, sample.context, sample.history)
    return {"prompt": prompt, "completion": [{"role": "assistant", "content": sample.answer}]}


def canonical(samples: list[InstructSample]) -> list[InstructSample]:
    """The samples in an order that follows from what a model sees of them, and from nothing else."""
    return sorted(samples, key=lambda sample: content_hash(_rendered(sample)))


def _rendered(sample: InstructSample) -> str:
    messages: dict[str, Any] = to_messages(sample)
    return msgspec.json.encode(messages).decode()
