"""Writing instructions by chat: for each passage, what someone may have asked that the passage answers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from twin import disk
from twin.datasets.filters import tidy, why_not
from twin.datasets.headings import label
from twin.errors import GenerationInterrupted, Overloaded
from twin.records import content_hash
from twin.text.words import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from twin.records import Chunk
    from twin.serving.client import Completion

__all__ = [
    "EXAMPLES",
    "PROMPT_VERSION",
    "InstructionCache",
    "InstructionWriter",
    "Writer",
    "shown_to_writer",
    "writer_messages",
]

PROMPT_VERSION = "2"
"""Changes with the prompt or with how it is asked; part of every cache key and of the dataset's version."""

PASSAGE_WORDS = 200
"""The beginning of a passage that the writer sees: all of it, mostly."""
QUESTIONS = 3
MAX_TOKENS = 40 * QUESTIONS
TEMPERATURES = (0.0, 0.7, 0.9)
"""One attempt each; another is made only when what came of the ones before cannot be used."""
PARALLEL = 2
PAUSES = (1.0, 4.0, 15.0, 60.0, 120.0)
"""Seconds: a server that limits its rate does so by the minute."""

SYSTEM = "You are a reader who asks short questions."
EXAMPLES = (
    (
        "We kept the meeting to fifteen minutes, standing up. Anything that needed longer got its own room and only "
        "the people it concerned. After a month nobody wanted the old hour back.",
        "the daily meeting",
        "How do you keep a daily meeting short and still useful?",
    ),
    (
        "Cold dough rises slowly, and slow is what you want: the yeast works overnight while the flour takes up water. "
        "In a hurry you can do it in two hours, but you will taste the difference.",
        "rising",
        "Why should bread dough rise in the fridge overnight?",
    ),
)
_EXAMPLE_INSTRUCTIONS = frozenset(normalise(instruction) for _, _, instruction in EXAMPLES)


class Writer(Protocol):
    """What writes: a `ChatClient`, or anything else that completes chat messages."""

    def complete(
        self,
        messages: Sequence[dict[str, str]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> Completion: ...


class InstructionCache:
    """What writers have written, by what they were asked; each reply is a file, written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> str | None:
        """The reply to a request made before."""
        try:
            return self._path(key).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def put(self, key: str, reply: str) -> None:
        """Keeps a reply. Safe from several threads and processes."""
        disk.write(self._path(key), reply.encode(), durable=False)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.txt"


class InstructionWriter:
    """Writes instructions with one chat model, asking for none twice.

    `writer` is entered only if something must be asked. `name` says which model it is: other name, other cache. A model
    that is overloaded, or breaks off, is asked again after the pauses in PAUSES; `sleep` waits that many seconds.
    """

    def __init__(
        self,
        writer: AbstractContextManager[Writer],
        *,
        name: str,
        cache: InstructionCache,
        seed: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self.name = name
        self._writer = writer
        self._cache = cache
        self._seed = seed

    def write(self, chunks: Sequence[Chunk]) -> list[list[str]]:
        """For each chunk the instructions that can be used; some have none.

        Raises:
            ModelUnavailable, GenerationInterrupted, ...: What the writer raises. What was written is kept.
        """
        known = [self._attempts(chunk, None) for chunk in chunks]
        missing = [index for index, outcome in enumerate(known) if outcome is None]
        if missing:
            with self._writer as writer, ThreadPoolExecutor(PARALLEL) as pool:
                written = pool.map(lambda index: self._attempts(chunks[index], writer), missing)
                for index, outcome in zip(missing, written, strict=True):
                    known[index] = outcome
        return [outcome or [] for outcome in known]

    def _attempts(self, chunk: Chunk, writer: Writer | None) -> list[str] | None:
        """What is usable of the first attempt that gave anything; None when a writer is needed and there is none."""
        for temperature in TEMPERATURES:
            reply = self._reply(chunk, temperature, writer)
            if reply is None:
                return None
            instructions = dict.fromkeys(tidy(line) for line in reply.splitlines() if line.strip())
            usable = [
                one for one in instructions if why_not(one, shown_to_writer(chunk), _EXAMPLE_INSTRUCTIONS) is None
            ]
            if usable:
                return usable[:QUESTIONS]
        return []

    def _reply(self, chunk: Chunk, temperature: float, writer: Writer | None) -> str | None:
        messages = writer_messages(chunk)
        said = [part for message in messages for part in (message["role"], message["content"])]
        key = content_hash(self.name, PROMPT_VERSION, str(temperature), str(self._seed), *said)
        reply = self._cache.get(key)
        if reply is None and writer is not None:
            reply = self._patiently(writer, messages, temperature)
            self._cache.put(key, reply)
        return reply

    def _patiently(self, writer: Writer, messages: list[dict[str, str]], temperature: float) -> str:
        for pause in PAUSES:
            try:
                return writer.complete(messages, max_tokens=MAX_TOKENS, temperature=temperature, seed=self._seed).text
            except (Overloaded, GenerationInterrupted):
                self._sleep(pause)
        return writer.complete(messages, max_tokens=MAX_TOKENS, temperature=temperature, seed=self._seed).text


def writer_messages(chunk: Chunk) -> list[dict[str, str]]:
    """The prompt: two examples, then the passage and its topic, the nearest heading that says something."""
    messages = [{"role": "system", "content": SYSTEM}]
    for text, topic, instruction in EXAMPLES:
        asked = {"role": "user", "content": _request(text, topic, "one question")}
        messages += [asked, {"role": "assistant", "content": instruction}]
    begin = " ".join(chunk.text.split()[:PASSAGE_WORDS])
    wanted = f"{QUESTIONS} different questions, one a line,"
    return [*messages, {"role": "user", "content": _request(begin, label(chunk), wanted)}]


def shown_to_writer(chunk: Chunk) -> str:
    """What an instruction may take its words from."""
    return "\n".join([chunk.title, *chunk.heading_path, chunk.text])


def _request(text: str, topic: str, wanted: str) -> str:
    return f"{text}\n\nAsk {wanted} about {topic} that this answers."
