"""Models that say what a test wants, and how surprised they are: degenerate ones are made out of a good one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from twin.evaluation.answers import Answer
from twin.evaluation.held_out import HeldOut
from twin.evaluation.losses import SampleLoss
from twin.evaluation.model import Said
from twin.prompts import answer_messages

if TYPE_CHECKING:
    from collections.abc import Callable

AUTHOR = "Ada"
LIMIT = 60
"""Words of an answer."""

SUBJECTS = [
    "index",
    "passage",
    "question",
    "model",
    "sentence",
    "document",
    "author",
    "archive",
    "shelf",
    "reader",
    "letter",
    "chapter",
]
VERBS = ["keeps", "finds", "marks", "shows", "cuts", "stores", "opens", "names", "checks", "counts", "weighs", "copies"]
OBJECTS = [
    "words",
    "lines",
    "notes",
    "pages",
    "titles",
    "dates",
    "tables",
    "quotes",
    "links",
    "figures",
    "drafts",
    "margins",
]
FUNCTION = [
    "and",
    "then",
    "because",
    "when",
    "while",
    "since",
    "so",
    "that",
    "before",
    "after",
    "although",
    "if",
    "where",
]


def prose(chance: random.Random, words: int) -> str:
    """Sentences of an author's own small world, hardly ever the same one twice."""
    said: list[str] = []
    while len(said) < words:
        first, second = (
            ["the", chance.choice(SUBJECTS), chance.choice(VERBS), "its", chance.choice(OBJECTS)] for _ in range(2)
        )
        said += [*first, chance.choice(FUNCTION), *second[:-1], f"{second[-1]}."]
    return " ".join(said[:words])


def questions(count: int, seed: int = 0) -> list[HeldOut]:
    """Each with four passages, one of which is the author's answer."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        answer = prose(chance, 90)
        passages = [prose(chance, 60), answer, prose(chance, 60)]
        prompt = answer_messages(f"Question {number}?", AUTHOR, [])
        made.append(
            HeldOut(
                id=str(number),
                author=AUTHOR,
                instruction=f"Question {number}?",
                prompt=prompt,
                answer=answer,
                passages=passages,
            )
        )
    return made


def training_texts(seed: int = 0) -> dict[str, list[str]]:
    chance = random.Random(seed + 1_000)
    return {AUTHOR: [prose(chance, 120) for _ in range(40)]}


def said_by(
    asked: list[HeldOut],
    plain: Callable[[HeldOut], str],
    shown: Callable[[HeldOut], str],
    *,
    nats: float,
    ended: bool = True,
    seed: int = 0,
) -> Said:
    """A model of `nats` a token, give or take."""
    chance = random.Random(seed + 2_000)
    return Said(
        plain=[Answer(text=plain(one), tokens=LIMIT, ended=ended, seconds=1.0) for one in asked],
        shown=[Answer(text=shown(one), tokens=LIMIT, ended=ended, seconds=1.0) for one in asked],
        losses=[SampleLoss(tokens=90, nats=90 * nats * chance.uniform(0.95, 1.05)) for _ in asked],
    )


def base(asked: list[HeldOut], seed: int = 0) -> Said:
    """Another voice, which rambles beside its passages."""
    chance = random.Random(seed + 3_000)

    def ramble(_: HeldOut) -> str:
        return " ".join(chance.choice(SUBJECTS + FUNCTION + ["please", "great", "very", "topic"]) for _ in range(LIMIT))

    return said_by(asked, ramble, lambda one: f"{one.passages[0]} {ramble(one)}", nats=3.0, seed=seed)


def good(asked: list[HeldOut], seed: int = 0) -> Said:
    """The author's voice without passages, and the right passage's words with them."""
    chance = random.Random(seed + 4_000)
    return said_by(
        asked, lambda _: prose(chance, LIMIT), lambda one: " ".join(one.answer.split()[:LIMIT]), nats=2.4, seed=seed
    )
