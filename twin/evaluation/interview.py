"""A model asked all questions: what it says, and how surprised it is by what the author said.

Both are kept in the artifact store under the model's weights, so that a retraining asks the candidate alone:

evaluations/answers/<hash>.json    what one model answered, by prompt; the hash is of its weights and the decoding
evaluations/losses/<hash>.json     how surprised one model was, by prompt and answer
"""

from __future__ import annotations

import logging
from pathlib import Path  # noqa: TC003 - msgspec reads the annotations at run time
from typing import TYPE_CHECKING, Any

import msgspec

from twin.artifacts.model_folder import weights_sha256
from twin.errors import ArtifactError
from twin.evaluation import losses
from twin.evaluation.answers import MAX_ANSWER_TOKENS, Answer, ask, prompts_of
from twin.evaluation.losses import SampleLoss
from twin.evaluation.model import Said
from twin.evaluation.remembered import remembered
from twin.records import content_hash
from twin.serving.process import model_process
from twin.settings import EndpointSettings, read
from twin.training import catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twin.artifacts import ArtifactStore
    from twin.evaluation.answers import Prompt
    from twin.evaluation.held_out import HeldOut
    from twin.records import ModelVersion
    from twin.training.base_model import BaseModel
    from twin.training.job import TrainedModel
    from twin.training.progress import Progress

__all__ = ["Contender", "Interview", "base_of", "candidate_of", "decoding", "in_production"]

logger = logging.getLogger(__name__)

KEPT_EVERY = 32
"""Answers after which they are stored, so that an interrupted run goes on from there."""
ANSWER_SECONDS = 600.0
"""Nobody waits for a single answer here, and a busy machine takes its time."""


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """A model that answers the questions."""

    name: str
    weights: str
    """A hash of them."""
    served: Path
    adapter: Path | None = None
    """On the base that all share; None for the base itself."""
    shares_base: bool = True
    """Without the same base its perplexity is not comparable, and is not measured."""


def base_of(base: BaseModel) -> Contender:
    """The base model as a contender."""
    return Contender(name="base", weights=base.sha256, served=base.gguf or base.folder)


def candidate_of(tuned: TrainedModel) -> Contender:
    """A model that is to be judged."""
    return Contender(name="tuned", weights=weights_sha256(tuned.manifest), served=tuned.folder, adapter=tuned.adapter)


def in_production(store: ArtifactStore, version: ModelVersion | None, base: BaseModel) -> Contender | None:
    """The approved version as a contender; None where there is none, or its weights are gone."""
    if version is None:
        return None
    try:
        folder, weights = catalog.pinned(store, version.version, version.manifest)
    except ArtifactError as error:
        logger.warning("The new model is not compared with the one in production. %s", error)
        return None
    return Contender(
        name=f"version {version.version}",
        weights=weights,
        served=folder,
        adapter=folder / "adapter",
        shares_base=version.manifest.get("base_sha256") == base.sha256,
    )


def decoding() -> tuple[str, ...]:
    """All that decides what a model answers to a prompt."""
    endpoint = read(EndpointSettings)
    return str(MAX_ANSWER_TOKENS), str(endpoint.repetition_penalty), str(endpoint.repetition_window)


class Interview:
    """Asks models, one after the other. `work` holds the files of what computes the losses."""

    def __init__(
        self,
        store: ArtifactStore,
        base: BaseModel,
        work: Path,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._store = store
        self._base = base
        self._work = work
        self._on_progress = on_progress

    def said(self, contender: Contender, questions: Sequence[HeldOut]) -> Said:
        """What a model says to the questions, remembered or asked.

        Raises:
            ModelUnavailable, PlatformError: It could not be run.
        """
        plain, shown = prompts_of(questions)
        answers = self.answers(contender, [*plain, *shown])
        return Said(
            plain=answers[: len(plain)],
            shown=answers[len(plain) :],
            losses=self._losses(contender, questions) if contender.shares_base else None,
        )

    def answers(self, contender: Contender, prompts: Sequence[Prompt]) -> list[Answer]:
        """What a model answers to prompts, remembered or asked; what it said is kept as it goes.

        Raises:
            ModelUnavailable, PlatformError: It could not be run.
        """
        return [
            answer
            for start in range(0, len(prompts), KEPT_EVERY)
            for answer in self._answers(contender, prompts[start : start + KEPT_EVERY])
        ]

    def _answers(self, contender: Contender, prompts: Sequence[Prompt]) -> list[Answer]:
        patient = {"timeout_seconds": ANSWER_SECONDS, "answer_seconds": ANSWER_SECONDS}
        endpoint = read(EndpointSettings).model_copy(update=patient)

        def find_out(places: list[int]) -> list[Answer]:
            asked = [prompts[place] for place in places]
            with model_process(contender.served, settings=endpoint) as client:
                return ask(asked, client, at_once=endpoint.slots, on_progress=self._on_progress)

        kept = f"evaluations/answers/{content_hash(contender.weights, *decoding())[:32]}.json"
        return remembered(self._store, kept, [_hash(prompt) for prompt in prompts], Answer, find_out)

    def _losses(self, contender: Contender, questions: Sequence[HeldOut]) -> list[SampleLoss]:
        def find_out(places: list[int]) -> list[SampleLoss]:
            return losses.measure(
                [questions[place] for place in places],
                base=self._base.folder,
                adapter=contender.adapter,
                work=self._work,
                on_progress=self._on_progress,
            )

        kept = f"evaluations/losses/{content_hash(contender.weights, self._base.sha256)[:32]}.json"
        keys = [_hash([question.prompt, question.answer]) for question in questions]
        return remembered(self._store, kept, keys, SampleLoss, find_out)


def _hash(asked: Any) -> str:
    return content_hash(msgspec.json.encode(asked).decode())[:32]
