"""What a tuned model is worth beside its base and the model in production: everything measured, in one record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from twin.errors import SettingsError
from twin.evaluation import comparison, measures, style
from twin.evaluation.answers import MAX_ANSWER_TOKENS, Answer
from twin.evaluation.comparison import PERPLEXITY, Comparison
from twin.evaluation.losses import SampleLoss  # noqa: TC001 - msgspec reads the annotations at run time
from twin.evaluation.measures import Figures, Trained

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from twin.evaluation.comparison import Rival
    from twin.evaluation.held_out import HeldOut

__all__ = ["EXAMPLES", "FIRST_PASSAGE", "Example", "ModelScores", "Said", "score"]

EXAMPLES = 12
"""Pairs of answers that a person sees: half of them with passages; no question twice, where there are enough."""
FIRST_PASSAGE = "first_passage"
"""The strongest rival of answers with passages: to print the first of them."""
ANSWER_WORDS = MAX_ANSWER_TOKENS * 3 // 4
"""Of an answer at its limit; the first passage is printed no further."""

WITH_PASSAGES = "_with_passages"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What one model said and how surprised it was, parallel to the questions."""

    plain: list[Answer]
    """To each question alone."""
    shown: list[Answer]
    """To each question that has passages, with them."""
    losses: list[SampleLoss] | None = None
    """Of the author's own answers; None where they cannot be compared."""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One held-out prompt and three answers."""

    instruction: str
    author: str
    reference: str
    """What the author wrote."""
    base: str
    tuned: str
    passages: list[str] = []
    """What both were shown; none where they were asked without."""


class ModelScores(msgspec.Struct, frozen=True, kw_only=True):
    """All that was measured. Scores and shares are in points, 0 to 100."""

    questions: int
    with_passages: int
    """Of the questions, those for which the twin finds passages."""
    held_out_tokens: int
    figures: dict[str, dict[str, float]]
    """Means by system (`base`, `tuned`, `production`, `first_passage`, `reference`) and figure."""
    comparisons: list[Comparison]
    """The tuned model with its base, and with the model in production where there is another."""
    support: list[float]
    """By the passages, of each answer of the tuned model with passages."""
    authors: dict[str, dict[str, float]]
    """Some figures for each author alone."""
    examples: list[Example]
    tokens_per_second: float
    """Of one answer of the tuned model, beside others in the making."""

    @property
    def perplexity_gain(self) -> float:
        """The share of the base's perplexity that tuning took away; negative when it got worse."""
        return 1 - self.figures["tuned"][PERPLEXITY] / self.figures["base"][PERPLEXITY]

    def as_metadata(self) -> dict[str, float | int | str]:
        """Flat, for a materialisation and for the registered manifest: `<figure>_<system>`."""
        facts: dict[str, float | int | str] = {
            "perplexity_gain": round(self.perplexity_gain, 4),
            "held_out_samples": self.questions,
            "held_out_samples_with_passages": self.with_passages,
            "held_out_tokens": self.held_out_tokens,
            "tokens_per_second": round(self.tokens_per_second, 1),
        }
        for system, figures in self.figures.items():
            facts |= {f"{figure}_{system}": round(value, 3) for figure, value in figures.items()}
        return facts


def score(
    questions: Sequence[HeldOut],
    tuned: Said,
    base: Said,
    *,
    production: Said | None = None,
    author_texts: Mapping[str, Sequence[str]],
) -> ModelScores:
    """Measures what the models said; `author_texts` are the authors' training texts.

    Raises:
        SettingsError: There is nothing held out.
    """
    if not questions:
        raise SettingsError(
            "No passage is held out, so the model cannot be judged. Add documents, or raise TRAINING_TEST_SHARE."
        )
    said = {"base": base, "tuned": tuned} | ({"production": production} if production else {})
    trained = Trained(text for texts in author_texts.values() for text in texts)
    measured = {system: _measured(questions, its, trained) for system, its in said.items()}
    profiles = {author: found for author, texts in author_texts.items() if (found := style.profile(texts))}
    figures = {system: _means(its) | _as_a_whole(questions, said[system], profiles) for system, its in measured.items()}
    figures[FIRST_PASSAGE] = _first_passages(questions, trained)
    figures["reference"] = _reference(questions, said.values(), profiles)
    comparisons = []
    for rival in ("base", "production"):
        if rival in said:
            comparisons += _compared(rival, measured["tuned"], measured[rival])
            comparisons += _compared_as_a_whole(rival, questions, tuned, said[rival], profiles)
    return ModelScores(
        questions=len(questions),
        with_passages=len(tuned.shown),
        held_out_tokens=sum(loss.tokens for loss in tuned.losses or ()),
        figures={system: its for system, its in figures.items() if its},
        comparisons=comparisons,
        support=[round(one.support, 2) for one in measured["tuned"][WITH_PASSAGES]],
        authors={author: _of_author(author, questions, said) for author in sorted({q.author for q in questions})},
        examples=_examples(questions, base, tuned),
        tokens_per_second=_tokens_per_second([*tuned.plain, *tuned.shown]),
    )


def _measured(questions: Sequence[HeldOut], said: Said, trained: Trained) -> dict[str, list[Figures]]:
    """The figures of each answer, without passages and with."""
    asked = [one for one in questions if one.passages]
    return {
        "": [measures.measure(a, q.answer, [], trained) for q, a in zip(questions, said.plain, strict=True)],
        WITH_PASSAGES: [
            measures.measure(a, q.answer, q.passages, trained) for q, a in zip(asked, said.shown, strict=True)
        ],
    }


def _columns(measured: Mapping[str, Sequence[Figures]]) -> dict[str, list[float]]:
    """Each figure of all answers; support only where there are passages."""
    return {
        f"{figure}{condition}": [getattr(one, figure) for one in answers]
        for condition, answers in measured.items()
        for figure in Figures.__struct_fields__
        if answers and (condition or figure != "support")
    }


def _means(measured: Mapping[str, Sequence[Figures]]) -> dict[str, float]:
    return {
        figure: float(max(values) if figure.startswith("longest") else np.mean(values))
        for figure, values in _columns(measured).items()
    }


def _as_a_whole(
    questions: Sequence[HeldOut], said: Said, profiles: Mapping[str, style.StyleProfile]
) -> dict[str, float]:
    """Perplexity and style, which belong to no single answer."""
    alike = comparison.similarity(profiles, [one.author for one in questions], [one.text for one in said.plain])
    return ({comparison.STYLE: alike} if alike == alike else {}) | (
        {PERPLEXITY: comparison.perplexity(said.losses)} if said.losses else {}
    )


def _first_passages(questions: Sequence[HeldOut], trained: Trained) -> dict[str, float]:
    printed = [
        measures.measure(
            Answer(text=" ".join(one.passages[0].split()[:ANSWER_WORDS]), tokens=0, ended=True),
            one.answer,
            one.passages,
            trained,
        )
        for one in questions
        if one.passages
    ]
    wanted = {f"{figure}{WITH_PASSAGES}" for figure in ("chrf", "f1", "support", "words")}
    return {figure: value for figure, value in _means({WITH_PASSAGES: printed}).items() if figure in wanted}


def _reference(
    questions: Sequence[HeldOut], said: Iterable[Said], profiles: Mapping[str, style.StyleProfile]
) -> dict[str, float]:
    """The style of the author's own answers: the ceiling."""
    # They are longer than a model's answers, and the measure favours longer texts: cut to the same length.
    limit = max(len(answer.text) for its in said for answer in its.plain)
    own = comparison.similarity(profiles, [q.author for q in questions], [q.answer[:limit] for q in questions])
    return {comparison.STYLE: own} if own == own else {}


def _compared(
    rival: Rival, tuned: Mapping[str, Sequence[Figures]], its: Mapping[str, Sequence[Figures]]
) -> list[Comparison]:
    others = _columns(its)
    return [comparison.paired(name, rival, values, others[name]) for name, values in _columns(tuned).items()]


def _compared_as_a_whole(
    rival: Rival, questions: Sequence[HeldOut], tuned: Said, its: Said, profiles: Mapping[str, style.StyleProfile]
) -> list[Comparison]:
    authors = [one.author for one in questions]
    found = comparison.styles(rival, profiles, authors, _texts(tuned), _texts(its))
    compared = [found] if found else []
    if not tuned.losses or not its.losses:
        return compared
    compared.append(comparison.perplexities(PERPLEXITY, rival, tuned.losses, its.losses))
    for author in sorted(set(authors)) if len(set(authors)) > 1 else ():
        places = [place for place, name in enumerate(authors) if name == author]
        own, others = [tuned.losses[place] for place in places], [its.losses[place] for place in places]
        compared.append(comparison.perplexities(f"{PERPLEXITY} of {author}", rival, own, others))
    return compared


def _texts(said: Said) -> list[str]:
    return [one.text for one in said.plain]


def _of_author(author: str, questions: Sequence[HeldOut], said: Mapping[str, Said]) -> dict[str, float]:
    places = [place for place, one in enumerate(questions) if one.author == author]
    found: dict[str, float] = {"samples": len(places)}
    for system, its in said.items():
        found[f"chrf {system}"] = float(
            np.mean([measures.chrf(its.plain[place].text, questions[place].answer) for place in places])
        )
        if its.losses:
            found[f"perplexity {system}"] = comparison.perplexity([its.losses[place] for place in places])
    return {name: round(value, 2) for name, value in found.items()}


def _examples(questions: Sequence[HeldOut], base: Said, tuned: Said) -> list[Example]:
    """Half with passages and half without, of different questions as long as there are enough."""
    plain = [_example(q, b, t, []) for q, b, t in zip(questions, base.plain, tuned.plain, strict=True)]
    asked = [one for one in questions if one.passages]
    shown = [_example(q, b, t, q.passages) for q, b, t in zip(asked, base.shown, tuned.shown, strict=True)]
    with_passages = {one.instruction for one in shown[: EXAMPLES // 2]}
    first = shown[: EXAMPLES // 2] + [one for one in plain if one.instruction not in with_passages][: EXAMPLES // 2]
    more = [one for one in (*plain, *shown) if one not in first]
    return (first + more)[:EXAMPLES]


def _example(question: HeldOut, base: Answer, tuned: Answer, passages: list[str]) -> Example:
    return Example(
        instruction=question.instruction,
        author=question.author,
        reference=question.answer,
        base=base.text,
        tuned=tuned.text,
        passages=passages,
    )


def _tokens_per_second(answers: Sequence[Answer]) -> float:
    seconds = sum(answer.seconds for answer in answers)
    return sum(answer.tokens for answer in answers) / seconds if seconds else 0.0
