"""What the base model itself is asked: to write questions from a given beginning, and how likely passages are.

How much likelier a passage becomes once an instruction is given is their pointwise mutual information. It tells whether
an instruction has to do with a passage, without trusting anybody's judgement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from twin import prompts
from twin.datasets.filters import tidy, why_not
from twin.datasets.headings import label
from twin.datasets.writer import EXAMPLES, InstructionCache, shown_to_writer
from twin.records import content_hash
from twin.text.words import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.records import Chunk

__all__ = ["BEGINNINGS", "FewShot", "Likelihood", "Reader", "Unfinished", "gains"]

VERSION = "1"
BEGINNINGS = ("How do", "Why", "What happens when", "When should", "Explain how", "How does")
"""Left to itself the small model begins nearly every question with "What's the difference between"."""
PASSAGE_WORDS = 80
SCORED_WORDS = 50
"""The beginning of an answer whose likelihood is measured; the rest costs time and hardly changes the order."""
BARE = "Write something."


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """A text that a model goes on with, once from each beginning."""

    prompt: str
    beginnings: list[str]
    seed: int


class Likelihood(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt, and a text that may follow it."""

    prompt: list[dict[str, str]]
    text: str


class Reader(Protocol):
    """The base model, asked for more than a chat server gives."""

    name: str

    def write(self, unfinished: Sequence[Unfinished]) -> list[list[str]]:
        """For each text one line for each of its beginnings, the beginning included."""
        ...

    def losses(self, asked: Sequence[Likelihood]) -> list[float]:
        """The mean negative log-likelihood, nats a token, of each text after its prompt."""
        ...


class FewShot:
    """Writes instructions by going on with a text that holds two examples."""

    def __init__(self, reader: Reader, *, cache: InstructionCache, seed: int) -> None:
        self.name = reader.name
        self._reader = reader
        self._cache = cache
        self._seed = seed

    def write(self, chunks: Sequence[Chunk]) -> list[list[str]]:
        """For each chunk the instructions that can be used; some have none.

        Raises:
            PlatformError: What the reader raises.
        """
        unfinished = [
            Unfinished(prompt=few_shot(chunk), beginnings=list(BEGINNINGS), seed=self._seed) for chunk in chunks
        ]
        keys = [
            content_hash("write", VERSION, self.name, str(self._seed), one.prompt, *BEGINNINGS) for one in unfinished
        ]
        known = [self._cache.get(key) for key in keys]
        missing = [index for index, reply in enumerate(known) if reply is None]
        written = self._reader.write([unfinished[index] for index in missing]) if missing else []
        for index, lines in zip(missing, written, strict=True):
            known[index] = msgspec.json.encode(lines).decode()
            self._cache.put(keys[index], known[index] or "[]")
        return [
            _usable(msgspec.json.decode(reply or "[]", type=list[str]), chunk)
            for reply, chunk in zip(known, chunks, strict=True)
        ]


def few_shot(chunk: Chunk) -> str:
    """The text that the model goes on with: two examples, the passage's beginning and what it is about."""
    shown = [(text, topic, instruction) for text, topic, instruction in EXAMPLES]
    parts = [f"Text: {text}\nTopic: {topic}\nQuestion: {instruction}\n\n" for text, topic, instruction in shown]
    begin = " ".join(chunk.text.split()[:PASSAGE_WORDS])
    return "".join(parts) + f"Text: {begin}\nTopic: {label(chunk)}\nQuestion:"


def gains(pairs: Sequence[tuple[str, Chunk, str]], reader: Reader, cache: InstructionCache) -> list[float]:
    """The pointwise mutual information of each (instruction, chunk, answer), in nats a token of the answer.

    Raises:
        PlatformError: What the reader raises.
    """
    bare = [(BARE, chunk, answer) for _, chunk, answer in pairs]
    wanted = list(dict.fromkeys(_likelihood(*pair) for pair in (*pairs, *bare)))
    keys = {one: content_hash("loss", VERSION, prompts.VERSION, reader.name, *one) for one in wanted}
    known = {one: float(text) for one in wanted if (text := cache.get(keys[one])) is not None}
    missing = [one for one in wanted if one not in known]
    asked = [Likelihood(prompt=prompts.answer_messages(one[0], one[1], []), text=one[2]) for one in missing]
    for one, loss in zip(missing, reader.losses(asked) if asked else [], strict=True):
        known[one] = loss
        cache.put(keys[one], repr(loss))
    return [known[_likelihood(*without)] - known[_likelihood(*pair)] for pair, without in zip(pairs, bare, strict=True)]


def _likelihood(instruction: str, chunk: Chunk, answer: str) -> tuple[str, str, str]:
    return instruction, chunk.author, " ".join(answer.split()[:SCORED_WORDS])


def _usable(lines: Sequence[str], chunk: Chunk) -> list[str]:
    examples = {normalise(instruction) for _, _, instruction in EXAMPLES}
    instructions = dict.fromkeys(tidy(line) for line in lines)
    return [one for one in instructions if why_not(one, shown_to_writer(chunk), examples) is None]
