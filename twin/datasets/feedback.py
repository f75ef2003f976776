"""What readers said of answers, as training data: every pair names the interactions that it is made of.

folders/feedback_dataset/<version>/   pairs.jsonl (one FeedbackPair a line), manifest.json
feedback_dataset.current              the version that was made last; the others are removed, as readers may forget
"""

from __future__ import annotations

import tempfile
import uuid
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from twin import prompts
from twin.cleaning import redact
from twin.datasets.filters import why_not
from twin.datasets.passages import is_answer
from twin.errors import ArtifactError
from twin.records import NAMESPACE, InstructSample, content_hash
from twin.text.words import normalise

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from twin.artifacts import ArtifactStore
    from twin.records import Interaction
    from twin.warehouse import Feedback

__all__ = ["VERSION", "FeedbackDataset", "FeedbackPair", "build", "current", "publish"]

VERSION = "1"
"""Of how pairs are chosen."""
GOOD, BAD = 0.75, 0.25
"""A score from GOOD up is a thumb up, one down to BAD a thumb down."""
FOLDER = "feedback_dataset"
CURRENT = "feedback_dataset.current"
READER = "reader"
ADVICE = "Materialise feedback_dataset: `llm-twin materialize feedback_dataset`."


class FeedbackPair(msgspec.Struct, frozen=True, kw_only=True):
    """A question, the answer that a reader wants, and the one that they do not."""

    id: str
    interactions: list[str]
    """Where it comes from: the interaction that was corrected, or the good one and the bad one."""
    method: str
    """`correction`, or `thumbs` where one answer to a question was liked and another was not."""
    question: str
    author: str
    passages: dict[str, str]
    """What the model was shown, in its order: chunk's id to text."""
    documents: dict[str, str]
    """The document of each of them."""
    chosen: str
    rejected: str
    model: str
    """The version that gave the rejected answer."""

    def sample(self, documents: Container[str] | None = None) -> InstructSample:
        """The chosen answer as an instruct sample; where documents are given, it shows passages of those only."""
        shown = [key for key in self.passages if documents is None or self.documents[key] in documents]
        first = next(iter(shown), "")
        return InstructSample(
            id=self.id,
            instruction=self.question,
            answer=self.chosen,
            author=self.author,
            document_id=self.documents.get(first, ""),
            chunk_id=first,
            split="train",
            context=prompts.fit([self.passages[key] for key in shown]),
            writer=READER,
            method=self.method,
        )


class FeedbackDataset(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs, and why there are no more."""

    pairs: list[FeedbackPair]
    left_out: dict[str, int] = {}
    """How many pieces of feedback teach nothing, by reason."""

    @property
    def version(self) -> str:
        """A hash over the pairs; equal pairs in any order have equal versions."""
        return content_hash(VERSION, *sorted(msgspec.json.encode(pair).decode() for pair in self.pairs))[:32]

    @property
    def corrections(self) -> list[InstructSample]:
        """Every answer that a reader wrote anew, as an instruct sample."""
        return [pair.sample() for pair in self.pairs if pair.method == "correction"]


class _Rated(msgspec.Struct, frozen=True):
    interaction: Interaction
    feedback: Feedback

    @property
    def asked(self) -> tuple[str, str | None]:
        return normalise(self.interaction.question), self.interaction.author


def build(rated: Iterable[tuple[Interaction, list[Feedback]]], *, daily_cap: int) -> FeedbackDataset:
    """Pairs from what readers said of answers.

    Only a reader's first `daily_cap` pieces of feedback of a day count, so that no one reader decides a model. What is
    learned from passes the filters that all training data passes; secrets and personal data become placeholders.
    """
    left_out: Counter[str] = Counter()
    counted = _capped(rated, daily_cap, left_out)
    found = [*_corrected(counted), *_by_thumbs(counted)]
    used = {feedback for _, feedback in found for feedback in feedback}
    pairs: dict[str, FeedbackPair] = {}
    for pair, _ in found:
        if reason := _unfit(pair):
            left_out[reason] += 1
        else:
            pairs[pair.id] = pair
    left_out["a score with no correction and no other answer to compare with"] += sum(
        each.feedback.id not in used for each in counted
    )
    reasons = {reason: count for reason, count in left_out.most_common() if count}
    return FeedbackDataset(pairs=sorted(pairs.values(), key=lambda pair: pair.id), left_out=reasons)


def publish(store: ArtifactStore, dataset: FeedbackDataset) -> str:
    """Makes a dataset the current one of an artifact store, removes the others, and returns its version."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lines = b"".join(msgspec.json.encode(pair) + b"\n" for pair in dataset.pairs)
        (folder / "pairs.jsonl").write_bytes(lines)
        (folder / "left_out.json").write_bytes(msgspec.json.encode(dataset.left_out))
        store.put_folder(f"{FOLDER}/{dataset.version}", folder)
    store.write(CURRENT, dataset.version.encode())
    for version in store.names(f"folders/{FOLDER}"):
        if version != dataset.version:
            store.delete_folder(f"{FOLDER}/{version}")
    return dataset.version


def current(store: ArtifactStore) -> FeedbackDataset:
    """The dataset that was made last; empty where none was made yet.

    Raises:
        ArtifactError: It is damaged.
    """
    version = store.read(CURRENT)
    if version is None:
        return FeedbackDataset(pairs=[])
    folder = store.get_folder(f"{FOLDER}/{version.decode()}")
    try:
        lines = (folder / "pairs.jsonl").read_bytes().splitlines()
        return FeedbackDataset(
            pairs=[msgspec.json.decode(line, type=FeedbackPair) for line in lines],
            left_out=msgspec.json.decode((folder / "left_out.json").read_bytes()),
        )
    except (OSError, msgspec.MsgspecError) as error:
        raise ArtifactError(f"The feedback dataset at {folder} cannot be read: {error}. {ADVICE}") from error


def _capped(
    rated: Iterable[tuple[Interaction, list[Feedback]]], daily_cap: int, left_out: Counter[str]
) -> list[_Rated]:
    """What counts, in the order in which it was said."""
    said: Counter[tuple[str, str]] = Counter()
    counted = []
    everything = [_Rated(interaction, each) for interaction, feedback in rated for each in feedback]
    for one in sorted(everything, key=lambda one: (one.feedback.at, one.feedback.id)):
        if one.interaction.status != "answered" or one.interaction.author is None:
            left_out[f"the answer is {one.interaction.status}"] += 1
            continue
        said[key := (one.feedback.reader, one.feedback.at.date().isoformat())] += 1
        if said[key] > daily_cap:
            left_out["over what one reader may say in a day (FEEDBACK_DAILY_CAP)"] += 1
        else:
            counted.append(one)
    return counted


def _corrected(rated: list[_Rated]) -> list[tuple[FeedbackPair, list[str]]]:
    return [
        (_pair("correction", one.interaction, one.feedback.correction, [one.interaction]), [one.feedback.id])
        for one in rated
        if one.feedback.correction.strip()
    ]


def _by_thumbs(rated: list[_Rated]) -> list[tuple[FeedbackPair, list[str]]]:
    """For each answer that was not liked, and not corrected, the first one to the same question that was."""
    liked: defaultdict[tuple[str, str | None], list[_Rated]] = defaultdict(list)
    for one in rated:
        if one.feedback.score is not None and one.feedback.score >= GOOD:
            liked[one.asked].append(one)
    pairs = []
    for bad in rated:
        disliked = bad.feedback.score is not None and bad.feedback.score <= BAD and not bad.feedback.correction.strip()
        good = next((one for one in liked[bad.asked] if one.interaction.id != bad.interaction.id), None)
        if disliked and good:
            made = _pair("thumbs", bad.interaction, good.interaction.answer, [good.interaction, bad.interaction])
            pairs.append((made, [good.feedback.id, bad.feedback.id]))
    return pairs


def _pair(method: str, answered: Interaction, chosen: str, of: list[Interaction]) -> FeedbackPair:
    chosen, rejected, question = _safe(chosen), _safe(answered.answer), _safe(answered.question)
    interactions = [one.id for one in of]
    return FeedbackPair(
        id=str(uuid.uuid5(NAMESPACE, f"feedback/{method}/{'/'.join(interactions)}/{content_hash(chosen)}")),
        interactions=interactions,
        method=method,
        question=question,
        author=answered.author or "",
        passages={passage.chunk_id: passage.text for passage in answered.passages},
        documents={passage.chunk_id: passage.document_id for passage in answered.passages},
        chosen=chosen,
        rejected=rejected,
        model=answered.model_version or "",
    )


def _safe(text: str) -> str:
    return redact(prompts.plain(text).strip())[0]


def _unfit(pair: FeedbackPair) -> str | None:
    """Why nothing is learned from a pair, by the filters of all training data; None when something is."""
    if not is_answer(pair.chosen):
        return "the wanted answer is not 40 to 200 words of prose"
    reason = why_not(pair.question, pair.chosen)
    return f"its question is {reason}" if reason else None
