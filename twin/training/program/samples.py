"""From JSONL samples to token ids and labels.

A sample is TRL's conversational prompt and completion: `{"prompt": [messages], "completion": [messages]}`. Labels are
set here, token by token, and not left to a collator that masks the padding token: in the default base model padding and
end of turn are the same token, and a model that is never shown the end of a turn never stops.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from twin.errors import TrainingFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

__all__ = [
    "IGNORED",
    "EncodedSample",
    "Message",
    "PreparedSamples",
    "Sample",
    "UnlikeServed",
    "encode",
    "fitting",
    "prepare",
    "read",
    "read_lines",
]

T = TypeVar("T", bound=msgspec.Struct)

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
    unlike_served: int = 0
    """Samples whose prompt the chat template renders differently once their answer follows."""

    @property
    def facts(self) -> dict[str, int | float | str]:
        """Counts for progress and metadata."""
        tokens = sum(len(sample.input_ids) for sample in self.samples)
        facts: dict[str, int | float | str] = {
            "samples": len(self.samples),
            "tokens": tokens,
            "too_long": self.too_long,
        }
        return facts | ({"unlike_served": self.unlike_served} if self.unlike_served else {})


class UnlikeServed(TrainingFailed):
    """The chat template renders a sample's prompt differently once its answer follows."""

    def __init__(self) -> None:
        super().__init__(
            "The base model's chat template renders a prompt differently when an answer follows it, so the model would "
            "be trained on another prompt than it is served. Use a base model whose template only appends."
        )


def read(channel: Path) -> list[Sample]:
    """The samples of every `*.jsonl` file of a channel, in the order of file names; there may be none.

    Raises:
        TrainingFailed: A line is not a sample; names file and line.
    """
    return read_lines(channel, Sample, "training sample")


def read_lines(channel: Path, kind: type[T], name: str) -> list[T]:
    """What the lines of every `*.jsonl` file of a channel are, in the order of file names; blank lines are nothing.

    Raises:
        TrainingFailed: A line is none of `kind`; names file and line.
    """
    return [row for path in sorted(channel.glob("*.jsonl")) for row in _read_file(path, kind, name)]


def encode(sample: Sample, tokenizer: PreTrainedTokenizerBase) -> EncodedSample:
    """Tokens of the prompt, and of what follows it; only the latter, up to and with its end-of-turn token, has labels.

    The two are tokenized apart, as in serving, where the prompt is all there is at first: an answer that begins with a
    blank would else share a token with the prompt's last newline.

    Raises:
        UnlikeServed: The chat template renders the prompt differently once this answer follows.
    """
    prompt = _rendered(tokenizer, sample.prompt, generation_prompt=True)
    whole = _rendered(tokenizer, [*sample.prompt, *sample.completion], generation_prompt=False)
    if not whole.startswith(prompt):
        raise UnlikeServed
    shown, said = _tokens(tokenizer, prompt), _tokens(tokenizer, whole[len(prompt) :])
    end = _last(said, tokenizer.eos_token_id)
    said = said if end is None else said[: end + 1]
    return EncodedSample([*shown, *said], [IGNORED] * len(shown) + said)


def fitting(samples: Iterable[Sample], tokenizer: PreTrainedTokenizerBase, max_length: int) -> PreparedSamples:
    """The samples of at most `max_length` tokens; there may be none. No sample stops the others: see the counts."""
    kept: list[EncodedSample] = []
    too_long = unlike_served = 0
    for sample in samples:
        try:
            encoded = encode(sample, tokenizer)
        except UnlikeServed:
            unlike_served += 1
            continue
        if len(encoded.input_ids) <= max_length:
            kept.append(encoded)
        else:
            too_long += 1
    return PreparedSamples(kept, too_long=too_long, unlike_served=unlike_served)


def prepare(
    samples: Iterable[Sample], tokenizer: PreTrainedTokenizerBase, max_length: int, *, learn_end: bool = True
) -> PreparedSamples:
    """The samples of at most `max_length` tokens, to train on; without `learn_end` no end of a turn has a label.

    Raises:
        TrainingFailed: None fits.
        UnlikeServed: Of none does the chat template render the prompt as it is served.
    """
    prepared = fitting(samples, tokenizer, max_length)
    if not prepared.samples and prepared.unlike_served:
        raise UnlikeServed
    if not prepared.samples:
        raise TrainingFailed(
            f"None of the {prepared.too_long} training samples fits {max_length} tokens. "
            "Raise TRAINING_MAX_LENGTH or shorten the samples."
        )
    if learn_end:
        return prepared
    kept = [_without_end(sample, tokenizer.eos_token_id) for sample in prepared.samples]
    return msgspec.structs.replace(prepared, samples=kept)


def _without_end(sample: EncodedSample, end: int | None) -> EncodedSample:
    """The sample whose last token has no label if it ends the turn; the model still reads it."""
    if sample.labels[-1] != end:
        return sample
    return EncodedSample(sample.input_ids, [*sample.labels[:-1], IGNORED])


def _read_file(path: Path, kind: type[T], name: str) -> Iterator[T]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield msgspec.json.decode(line, type=kind)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                raise TrainingFailed(f"{path.name} line {number} is not a {name}: {error}.") from None


def _rendered(tokenizer: PreTrainedTokenizerBase, messages: list[Message], *, generation_prompt: bool) -> str:
    conversation: list[dict[str, Any]] = json.loads(msgspec.json.encode(messages))
    return str(tokenizer.apply_chat_template(conversation, add_generation_prompt=generation_prompt, tokenize=False))


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _last(tokens: list[int], wanted: int | None) -> int | None:
    return next((i for i in range(len(tokens) - 1, -1, -1) if tokens[i] == wanted), None)
