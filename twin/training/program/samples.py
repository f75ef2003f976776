"""From JSONL samples to token ids and labels.

A sample is TRL's conversational prompt and completion: `{"prompt": [messages], "completion": [messages]}`. Labels are
set here, token by token, and not left to a collator that masks the padding token: in the default base model padding and
end of turn are the same token, and a model that is never shown the end of a turn never stops.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from twin.errors import TrainingFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

__all__ = ["IGNORED", "EncodedSample", "Message", "PreparedSamples", "Sample", "encode", "fitting", "prepare", "read"]

IGNORED = -100
"""The label of tokens that do not count in the loss."""


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: str
    content: str


class Sample(msgspec.Struct, frozen=True):
    """A prompt and the turn that the model learns to give."""

    prompt: list[Message]
    completion: list[Message]


class EncodedSample(msgspec.Struct, frozen=True):
    """Token ids and, at each place, the token to predict there or `IGNORED`."""

    input_ids: list[int]
    labels: list[int]


class PreparedSamples(msgspec.Struct, frozen=True):
    """What a model is trained on, and what was left out."""

    samples: list[EncodedSample]
    too_long: int
    """Samples that do not fit one sequence whole; cutting them would teach to stop in mid-sentence or never."""

    @property
    def facts(self) -> dict[str, int | float | str]:
        """Counts for progress and metadata."""
        tokens = sum(len(sample.input_ids) for sample in self.samples)
        return {"samples": len(self.samples), "tokens": tokens, "too_long": self.too_long}


def read(channel: Path) -> list[Sample]:
    """The samples of every `*.jsonl` file of a channel, in the order of file names; there may be none.

    Raises:
        TrainingFailed: A line is not a sample; names file and line.
    """
    return [sample for path in sorted(channel.glob("*.jsonl")) for sample in _read_file(path)]


def encode(sample: Sample, tokenizer: PreTrainedTokenizerBase) -> EncodedSample:
    """Tokens of the whole conversation; only the completion, up to and with its end-of-turn token, has labels.

    Raises:
        TrainingFailed: The chat template renders the prompt differently once an answer follows.
    """
    prompt = _tokens(tokenizer, sample.prompt, generation_prompt=True)
    whole = _tokens(tokenizer, [*sample.prompt, *sample.completion], generation_prompt=False)
    if whole[: len(prompt)] != prompt:
        raise TrainingFailed(
            "The base model's chat template renders a prompt differently when an answer follows it, so the model would "
            "be trained on another prompt than it is served. Use a base model whose template only appends."
        )
    end = _last(whole, tokenizer.eos_token_id)
    whole = whole[: end + 1] if end is not None and end >= len(prompt) else whole
    return EncodedSample(whole, [IGNORED] * len(prompt) + whole[len(prompt) :])


def fitting(samples: Iterable[Sample], tokenizer: PreTrainedTokenizerBase, max_length: int) -> PreparedSamples:
    """The samples of at most `max_length` tokens; there may be none."""
    encoded = [encode(sample, tokenizer) for sample in samples]
    kept = [sample for sample in encoded if len(sample.input_ids) <= max_length]
    return PreparedSamples(kept, too_long=len(encoded) - len(kept))


def prepare(samples: Iterable[Sample], tokenizer: PreTrainedTokenizerBase, max_length: int) -> PreparedSamples:
    """The samples of at most `max_length` tokens, to train on.

    Raises:
        TrainingFailed: None fits.
    """
    prepared = fitting(samples, tokenizer, max_length)
    if not prepared.samples:
        raise TrainingFailed(
            f"None of the {prepared.too_long} training samples fits {max_length} tokens. "
            "Raise TRAINING_MAX_LENGTH or shorten the samples."
        )
    return prepared


def _read_file(path: Path) -> Iterator[Sample]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield msgspec.json.decode(line, type=Sample)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                raise TrainingFailed(f"{path.name} line {number} is not a training sample: {error}.") from None


def _tokens(tokenizer: PreTrainedTokenizerBase, messages: list[Message], *, generation_prompt: bool) -> list[int]:
    conversation: list[dict[str, Any]] = json.loads(msgspec.json.encode(messages))
    text = tokenizer.apply_chat_template(conversation, add_generation_prompt=generation_prompt, tokenize=False)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _last(tokens: list[int], wanted: int | None) -> int | None:
    return next((i for i in range(len(tokens) - 1, -1, -1) if tokens[i] == wanted), None)
