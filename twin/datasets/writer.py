"""Writing instructions: for each passage, what someone may have asked that the passage answers."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from twin import disk
from twin.datasets.filters import tidy, why_not
from twin.records import content_hash
from twin.text.words import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from twin.records import Chunk
    from twin.serving.client import Completion

__all__ = ["PROMPT_VERSION", "InstructionCache", "InstructionWriter", "Writer", "writer_messages"]

PROMPT_VERSION = "1"
"""Changes with the prompt or with how it is asked; part of every cache key and of the dataset's version."""

PASSAGE_WORDS = 100
"""The beginning of a passage that the writer sees; a small model loses the topic in a longer one."""
MAX_TOKENS = 32
TEMPERATURES = (0.0, 0.7, 0.9)
"""One attempt each; another is made only when what came of the ones before cannot be used."""
PARALLEL = 2

SYSTEM = "You are a reader who asks one short question."
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
_GENERIC_HEADING = re.compile(
    r"(?:introduction|conclusions?|summary|overview|background|discussion.*|notes?|references|appendix|next steps"
    r"|sections?|part|chapter|\W|\d|[ivx]+\b)+",
    re.IGNORECASE,
)
_DECORATION = re.compile(r"[^\w\s.,:'’&/+()-]|_+")


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
    """Writes instructions with one model, asking for none twice.

    `writer` is entered only if something must be asked, so a model process behind it starts only then. `name` says
    which model it is: other name, other cache.
    """

    def __init__(
        self, writer: AbstractContextManager[Writer], *, name: str, cache: InstructionCache, seed: int
    ) -> None:
        self.name = name
        self._writer = writer
        self._cache = cache
        self._seed = seed

    def write(
        self, chunks: Sequence[Chunk], *, on_progress: Callable[[int, int], None] | None = None
    ) -> list[tuple[str, str | None]]:
        """For each chunk an instruction, and why it cannot be used if so. `on_progress` gets (done, all).

        Raises:
            ModelUnavailable, GenerationInterrupted, ...: What the writer raises. What was written is kept.
        """
        known = [self._attempts(chunk, None) for chunk in chunks]
        missing = [index for index, outcome in enumerate(known) if outcome is None]
        if missing:
            with self._writer as writer, ThreadPoolExecutor(PARALLEL) as pool:
                written = pool.map(lambda index: self._attempts(chunks[index], writer), missing)
                for done, (index, outcome) in enumerate(zip(missing, written, strict=True), start=1):
                    known[index] = outcome
                    if on_progress:
                        on_progress(done, len(missing))
        return [outcome for outcome in known if outcome is not None]

    def _attempts(self, chunk: Chunk, writer: Writer | None) -> tuple[str, str | None] | None:
        """The first usable instruction, or the last of all attempts; None when a writer is needed and there is none."""
        outcome: tuple[str, str | None] | None = None
        for temperature in TEMPERATURES:
            reply = self._reply(chunk, temperature, writer)
            if reply is None:
                return None
            instruction = tidy(reply)
            outcome = instruction, why_not(instruction, _shown(chunk), _EXAMPLE_INSTRUCTIONS)
            if outcome[1] is None:
                break
        return outcome

    def _reply(self, chunk: Chunk, temperature: float, writer: Writer | None) -> str | None:
        messages = writer_messages(chunk)
        said = [part for message in messages for part in (message["role"], message["content"])]
        key = content_hash(self.name, PROMPT_VERSION, str(temperature), str(self._seed), *said)
        reply = self._cache.get(key)
        if reply is None and writer is not None:
            reply = writer.complete(
                messages, max_tokens=MAX_TOKENS, temperature=temperature, seed=self._seed, stop=["\n"]
            ).text
            self._cache.put(key, reply)
        return reply


def writer_messages(chunk: Chunk) -> list[dict[str, str]]:
    """The prompt: two examples, then the passage and its topic.

    The topic comes last and is the nearest heading that says something: with it there, a model of 135M parameters asks
    about the passage; without it, it repeats an example (measured).
    """
    messages = [{"role": "system", "content": SYSTEM}]
    for text, topic, instruction in EXAMPLES:
        messages += [{"role": "user", "content": _request(text, topic)}, {"role": "assistant", "content": instruction}]
    begin = " ".join(chunk.text.split()[:PASSAGE_WORDS])
    return [*messages, {"role": "user", "content": _request(begin, _topic(chunk))}]


def _request(text: str, topic: str) -> str:
    return f"{text}\n\nAsk one question about {topic} that this answers."


def _topic(chunk: Chunk) -> str:
    headings = [" ".join(_DECORATION.sub(" ", heading).split()) for heading in (chunk.title, *chunk.heading_path)]
    telling = (heading for heading in reversed(headings) if heading and not _GENERIC_HEADING.fullmatch(heading))
    return next(telling, "it")


def _shown(chunk: Chunk) -> str:
    """What an instruction may take its words from."""
    return "\n".join([chunk.title, *chunk.heading_path, chunk.text])
