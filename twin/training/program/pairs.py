"""Preference pairs: a prompt, the answer to prefer, and one to leave.

A pair is TRL's conversational preference: `{"prompt": [messages], "chosen": [messages], "rejected": [messages]}`. Both
answers are tokenized as samples are, so that preference training reads a prompt as it is served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin.errors import TrainingFailed
from twin.training.program.samples import IGNORED, Message, Sample, UnlikeServed, encode, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

__all__ = ["EncodedPair", "Pair", "PreparedPairs", "prepare", "read"]


class Pair(msgspec.Struct, frozen=True):
    """A prompt and two answers."""

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]


class EncodedPair(msgspec.Struct, frozen=True):
    """Token ids, under the names that TRL reads; both answers end with the end of their turn."""

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]

    @property
    def length(self) -> int:
        """Tokens of the longer of its two sequences."""
        return len(self.prompt_ids) + max(len(self.chosen_ids), len(self.rejected_ids))


class PreparedPairs(msgspec.Struct, frozen=True):
    """What is trained on, and how many were left out."""

    pairs: list[EncodedPair]
    too_long: int = 0
    """A sequence of theirs does not fit whole."""
    alike: int = 0
    """Their two answers are the same, token by token."""
    unlike_served: int = 0
    """The chat template renders the prompt differently once an answer follows."""

    @property
    def facts(self) -> dict[str, int | float | str]:
        """Counts for progress and metadata; what is zero is left out."""
        left_out = {"too_long": self.too_long, "alike": self.alike, "unlike_served": self.unlike_served}
        return {"pairs": len(self.pairs)} | {f"pairs_{name}": count for name, count in left_out.items() if count}


def read(channel: Path) -> list[Pair]:
    """The pairs of every `*.jsonl` file of a channel, in the order of file names.

    Raises:
        TrainingFailed: A line is not a pair; names file and line.
    """
    return read_lines(channel, Pair, "preference pair")


def prepare(pairs: Iterable[Pair], tokenizer: PreTrainedTokenizerBase, max_length: int) -> PreparedPairs:
    """The pairs whose sequences have at most `max_length` tokens. No pair stops the others: see the counts.

    Raises:
        TrainingFailed: None can be trained on.
    """
    kept: list[EncodedPair] = []
    too_long = alike = unlike_served = 0
    for pair in pairs:
        try:
            encoded = _encode(pair, tokenizer)
        except UnlikeServed:
            unlike_served += 1
            continue
        if encoded.chosen_ids == encoded.rejected_ids:
            alike += 1
        elif encoded.length > max_length:
            too_long += 1
        else:
            kept.append(encoded)
    if not kept:
        raise TrainingFailed(
            f"No preference pair can be trained on: {too_long} do not fit {max_length} tokens, {alike} have two equal "
            f"answers, of {unlike_served} the chat template changes the prompt. Materialise preference_dataset, raise "
            "TRAINING_MAX_LENGTH, or use a recipe with dpo_steps: 0."
        )
    return PreparedPairs(kept, too_long=too_long, alike=alike, unlike_served=unlike_served)


def _encode(pair: Pair, tokenizer: PreTrainedTokenizerBase) -> EncodedPair:
    chosen = encode(Sample(pair.prompt, pair.chosen), tokenizer)
    rejected = encode(Sample(pair.prompt, pair.rejected), tokenizer)
    shown = chosen.labels.count(IGNORED)
    return EncodedPair(chosen.input_ids[:shown], chosen.input_ids[shown:], rejected.input_ids[shown:])
