"""The dataset card: what a dataset is, for a person, in the form that Hugging Face shows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from twin.datasets.statistics import statistics

if TYPE_CHECKING:
    from twin.datasets.instruct import InstructDataset
    from twin.datasets.statistics import Statistics
    from twin.records import InstructSample

__all__ = ["card"]

METHODS = {
    "heading": "made from the nearest heading and the title",
    "keywords": "made from heading, title and two words that tell the passage from others",
    "written": "written by a model, chosen among several",
    "continuation": "the passage's first sentence is given, the rest is the answer",
    "last resort": "made from title, heading and three words, where nothing else led back",
}
EXAMPLES = 3
ANSWER_CHARS = 400


def card(dataset: InstructDataset) -> str:
    """A dataset's card, in markdown with front matter."""
    figures = statistics(dataset)
    parts = [
        "---\ntask_categories:\n- text-generation\n---",
        "# Instructions and the author's own answers",
        f"Version `{dataset.version}`; training version `{dataset.training_version}`. {figures.train} samples to train "
        f"on and {figures.test} held out, split by document. Every answer is the author's own passage, without "
        f"what others said in it; the instructions were made for it, by {dataset.writer} where a model wrote them.",
        "## How the instructions came about\n\n" + _mix(figures),
        "## Figures\n\n" + "\n".join(f"- {line}" for line in _lines(figures)),
        "## Whose text it is\n\n" + _authors(dataset),
        *(["## What was left out\n\n" + _left_out(dataset)] if dataset.rejected else []),
        "## Examples\n\n" + "\n\n".join(_example(sample) for sample in dataset.samples[:EXAMPLES]),
        "## What to know before using it\n\nThe answers are as true, as old and as one-sided as what the author "
        "wrote. Cleaning took away what it recognised as personal data or secrets; it may have missed some. The text "
        "belongs to its authors: publish it only with their word.",
    ]
    return "\n\n".join(parts) + "\n"


def _mix(figures: Statistics) -> str:
    rows = [f"| {name} | {count} | {METHODS.get(name, '')} |" for name, count in figures.mix.items()]
    return "\n".join(["| method | samples | what it is |", "|---|---|---|", *rows])


def _lines(figures: Statistics) -> list[str]:
    pmi = "not measured" if figures.mean_pmi is None else f"{figures.mean_pmi:.3f} over {figures.measured} samples"
    return [
        "rank of the passage when the twin's search is asked the instruction: "
        + (", ".join(f"{rank}: {count}" for rank, count in figures.ranks.items()) or "none"),
        f"passages with an instruction that leads back: {figures.passages_with_one:.0%}",
        f"nats a token that a passage becomes likelier by: {pmi}",
        f"samples with passages in the prompt: {figures.with_context}; after an earlier turn: {figures.with_history}",
        f'most common beginning: "{figures.beginning}", {figures.beginning_share:.0%} of its split',
    ]


def _authors(dataset: InstructDataset) -> str:
    counts = Counter(sample.author for sample in dataset.samples)
    rows = [f"| {author} | {count} |" for author, count in sorted(counts.items())]
    return "\n".join(["| author | samples |", "|---|---|", *rows])


def _left_out(dataset: InstructDataset) -> str:
    return "\n".join(f"- {count}: {reason}" for reason, count in dataset.rejected.items())


def _example(sample: InstructSample) -> str:
    answer = sample.answer if len(sample.answer) <= ANSWER_CHARS else f"{sample.answer[:ANSWER_CHARS]} …"
    quoted = "\n".join(f"> {line}" for line in answer.splitlines())
    return f"**{sample.instruction}** ({sample.method}, {sample.split})\n\n{quoted}"
