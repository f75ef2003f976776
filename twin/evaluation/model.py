"""Is the tuned model better than its base at being the author? Perplexity, answers and style, side by side."""

from __future__ import annotations

import hashlib
import math
import time
from collections import defaultdict
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from twin.errors import SettingsError
from twin.evaluation import losses, style
from twin.evaluation.losses import HeldOut, SampleLoss
from twin.prompts import answer_messages
from twin.training.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from twin.records import InstructSample
    from twin.serving.client import Completion

__all__ = ["AuthorScores", "Example", "ModelScores", "Perplexity", "StyleScores", "chrf", "evaluate", "held_out"]

EXAMPLES = 4
"""Held-out prompts that both models answer: a CPU takes seconds for each."""
MAX_ANSWER_TOKENS = 96
CELL_CHARS = 280


class Completer(Protocol):
    """What answers a prompt; `twin.serving.client.ChatClient` does."""

    def complete(self, messages: Sequence[dict[str, str]], *, max_tokens: int, temperature: float) -> Completion: ...


class Perplexity(msgspec.Struct, frozen=True, kw_only=True):
    """Of the author's held-out answers, given their prompts: exp of the mean negative log-likelihood of a token."""

    base: float
    tuned: float
    samples: int
    tokens: int

    @property
    def gain(self) -> float:
        """The share of the base's perplexity that tuning took away; negative when it got worse."""
        return 1 - self.tuned / self.base


class StyleScores(msgspec.Struct, frozen=True, kw_only=True):
    """Similarity (0 to 1, see `twin.evaluation.style`) to the author's training texts."""

    base: float
    tuned: float
    reference: float
    """Of the author's own held-out answers to the same prompts: the ceiling."""


class AuthorScores(msgspec.Struct, frozen=True, kw_only=True):
    """One author's part of the scores; no style where there is too little text to measure it."""

    perplexity: Perplexity
    style: StyleScores | None = None


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One held-out prompt and three answers."""

    instruction: str
    author: str
    reference: str
    """What the author wrote."""
    base: str
    tuned: str


class ModelScores(msgspec.Struct, frozen=True, kw_only=True):
    """All that was measured."""

    perplexity: Perplexity
    authors: dict[str, AuthorScores]
    chrf_base: float
    """chrF (Popović 2015), 0 to 100, of the answers against the author's passages."""
    chrf_tuned: float
    examples: list[Example]
    seconds: float

    @property
    def style(self) -> StyleScores | None:
        """The mean over the authors whose style could be measured."""
        known = [own.style for own in self.authors.values() if own.style]
        if not known:
            return None
        return StyleScores(
            base=sum(s.base for s in known) / len(known),
            tuned=sum(s.tuned for s in known) / len(known),
            reference=sum(s.reference for s in known) / len(known),
        )

    def as_metadata(self) -> dict[str, float | int | str]:
        """Flat, for a materialisation and for the registered manifest; the examples apart (`examples_table`)."""
        facts: dict[str, float | int | str] = {
            "perplexity_base": round(self.perplexity.base, 3),
            "perplexity_tuned": round(self.perplexity.tuned, 3),
            "perplexity_gain": round(self.perplexity.gain, 4),
            "held_out_samples": self.perplexity.samples,
            "held_out_tokens": self.perplexity.tokens,
            "chrf_base": round(self.chrf_base, 2),
            "chrf_tuned": round(self.chrf_tuned, 2),
            "evaluation_seconds": round(self.seconds, 1),
        }
        if overall := self.style:
            facts |= {
                "style_base": round(overall.base, 3),
                "style_tuned": round(overall.tuned, 3),
                "style_reference": round(overall.reference, 3),
            }
        return facts

    def authors_table(self) -> list[dict[str, Any]]:
        """One row per author."""
        return [
            {
                "author": author,
                "samples": own.perplexity.samples,
                "tokens": own.perplexity.tokens,
                "perplexity base": round(own.perplexity.base, 2),
                "perplexity tuned": round(own.perplexity.tuned, 2),
                "style base": round(own.style.base, 3) if own.style else None,
                "style tuned": round(own.style.tuned, 3) if own.style else None,
                "style of the author": round(own.style.reference, 3) if own.style else None,
            }
            for author, own in sorted(self.authors.items())
        ]

    def examples_table(self) -> str:
        """The examples side by side, as a markdown table."""
        header = "| instruction | the author | base model | tuned model |\n|---|---|---|---|"
        rows = [
            "| " + " | ".join(map(_cell, (example.instruction, example.reference, example.base, example.tuned))) + " |"
            for example in self.examples
        ]
        return "\n".join([header, *rows])


def held_out(samples: Iterable[InstructSample], limit: int) -> list[HeldOut]:
    """At most `limit` samples of the test split in the serving prompt's format: authors in turn, each in a fixed
    order that has nothing to do with the texts."""
    by_author: dict[str, list[InstructSample]] = defaultdict(list)
    for sample in samples:
        if sample.split == "test":
            by_author[sample.author].append(sample)
    queues = [sorted(by_author[author], key=_shuffled) for author in sorted(by_author)]
    in_turn = [sample for sample in chain.from_iterable(zip_longest(*queues)) if sample is not None]
    return [
        HeldOut(
            id=sample.id,
            author=sample.author,
            instruction=sample.instruction,
            prompt=answer_messages(sample.instruction, sample.author, sample.context),
            answer=sample.answer,
        )
        for sample in in_turn[:limit]
    ]


def evaluate(
    questions: Sequence[HeldOut],
    *,
    base: Path,
    adapter: Path,
    base_client: Completer,
    tuned_client: Completer,
    author_texts: Mapping[str, Sequence[str]],
    work: Path,
    examples: int = EXAMPLES,
    on_progress: Callable[[Progress], None] | None = None,
) -> ModelScores:
    """Scores a LoRA `adapter` against its `base` folder on held-out questions (see `held_out`).

    The clients serve the base model and the exported model; `author_texts` are the authors' training texts.

    Raises:
        SettingsError: There is nothing held out.
        PlatformError: The perplexities could not be computed.
    """
    if not questions:
        raise SettingsError(
            "No passage is held out, so the model cannot be judged. Add documents, or raise TRAINING_TEST_SHARE."
        )
    started = time.monotonic()
    answered = answer(questions[:examples], base_client, tuned_client, on_progress or (lambda progress: None))
    measured = losses.measure(questions, base=base, adapter=adapter, work=work, on_progress=on_progress)
    references = [example.reference for example in answered]
    return ModelScores(
        perplexity=perplexity(measured),
        authors={
            author: AuthorScores(
                perplexity=perplexity([loss for loss in measured if loss.author == author]),
                style=style_scores(author_texts.get(author, ()), [e for e in answered if e.author == author]),
            )
            for author in sorted({loss.author for loss in measured})
        },
        chrf_base=chrf([example.base for example in answered], references),
        chrf_tuned=chrf([example.tuned for example in answered], references),
        examples=answered,
        seconds=time.monotonic() - started,
    )


def answer(
    questions: Sequence[HeldOut], base: Completer, tuned: Completer, on_progress: Callable[[Progress], None]
) -> list[Example]:
    """Both models' answers, without randomness."""
    answered = []
    for number, question in enumerate(questions, 1):
        texts = [
            client.complete(question.prompt, max_tokens=MAX_ANSWER_TOKENS, temperature=0.0).text
            for client in (base, tuned)
        ]
        answered.append(
            Example(
                instruction=question.instruction,
                author=question.author,
                reference=question.answer,
                base=texts[0],
                tuned=texts[1],
            )
        )
        on_progress(Progress(event="answers", step=number, steps=len(questions)))
    return answered


def perplexity(measured: Sequence[SampleLoss]) -> Perplexity:
    """Over all tokens of the samples together, so a long answer counts for more than a short one."""
    tokens = sum(loss.tokens for loss in measured)

    def of(total: float) -> float:
        return math.exp(total / tokens) if tokens else math.nan

    return Perplexity(
        base=of(sum(loss.base for loss in measured)),
        tuned=of(sum(loss.tuned for loss in measured)),
        samples=len(measured),
        tokens=tokens,
    )


def style_scores(author_texts: Sequence[str], answered: Sequence[Example]) -> StyleScores | None:
    """The three bodies of answers against the author's profile; None where any is too short."""
    author = style.profile(author_texts)
    if author is None:
        return None
    # The author's passages are longer than the answers, and the measure favours longer texts: cut to the same length.
    limit = max((len(text) for example in answered for text in (example.base, example.tuned)), default=0)
    base, tuned, reference = (
        author.measure(texts)
        for texts in (
            [example.base for example in answered],
            [example.tuned for example in answered],
            [example.reference[:limit] for example in answered],
        )
    )
    if base is None or tuned is None or reference is None:
        return None
    return StyleScores(base=base.similarity, tuned=tuned.similarity, reference=reference.similarity)


def chrf(answers: Sequence[str], references: Sequence[str]) -> float:
    """Corpus chrF, 0 to 100; 0 without answers."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF().corpus_score(list(answers), [list(references)]).score if answers else 0.0


def _shuffled(sample: InstructSample) -> str:
    return hashlib.sha256(sample.id.encode()).hexdigest()


def _cell(text: str) -> str:
    flat = " ".join(text.split()).replace("|", "\\|")
    return flat if len(flat) <= CELL_CHARS else f"{flat[:CELL_CHARS]}…"
