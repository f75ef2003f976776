"""The current model judged on the current dataset's held-out samples; an assessment that exists is not repeated.

evaluations/<key>.json             scores of a candidate
evaluations/answers/<hash>.json    what one model answered, by prompt
evaluations/losses/<hash>.json     how surprised one model was, by prompt and answer
"""

from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path  # noqa: TC003 - msgspec reads the annotations at run time
from typing import TYPE_CHECKING, Any

import msgspec

from twin import datasets
from twin.artifacts.model_folder import weights_sha256
from twin.errors import ArtifactError
from twin.evaluation import losses
from twin.evaluation import model as model_evaluation
from twin.evaluation.answers import MAX_ANSWER_TOKENS, Answer, ask, prompts_of
from twin.evaluation.held_out import held_out
from twin.evaluation.losses import SampleLoss
from twin.evaluation.remembered import remembered
from twin.records import content_hash
from twin.serving.process import model_process
from twin.settings import EndpointSettings, read
from twin.training import catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twin.artifacts import ArtifactStore
    from twin.evaluation.gate import GateDecision
    from twin.evaluation.held_out import HeldOut
    from twin.records import ModelVersion
    from twin.settings import TrainingSettings
    from twin.training.base_model import BaseModel
    from twin.training.progress import Progress

__all__ = ["VERSION", "Assessment", "Contender", "assess", "in_production", "latest", "registry_manifest"]

logger = logging.getLogger(__name__)

VERSION = "2"
"""Raise it when the same model would be scored differently."""

ANSWER_SECONDS = 600.0
"""Nobody waits for a single answer here, and a busy machine takes its time."""

LATEST = "model_evaluation.latest.json"


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """Scores, and what they are of."""

    key: str
    """Equal for equal models, questions, passages and method."""
    model: str
    """The address of the tuned model (`twin.training.catalog`)."""
    dataset_version: str
    production: str | None = None
    """The version in production that it was compared with; None where there was no other model."""
    scores: model_evaluation.ModelScores


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


def assess(
    store: ArtifactStore,
    base: BaseModel,
    settings: TrainingSettings,
    *,
    work: Path,
    find: Callable[[str, str], list[str]] | None = None,
    production: Contender | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Assessment:
    """Scores the current model against its base and the model in production, or finds that this was done before.

    `find` gives the passages that the twin shows for an instruction and an author; without it a sample's own context
    is shown. What a model said and how surprised it was is kept, so that a retraining asks the candidate alone.

    Raises:
        ArtifactError: There is no model or no dataset yet.
        SettingsError: Nothing is held out.
        IndexUnavailable, ModelUnavailable, PlatformError: Passages could not be found, or a model could not be run.
    """
    address, dataset = catalog.current_address(store), datasets.current(store)
    tuned = catalog.stored(store, address)
    questions = held_out(dataset.test, settings.evaluation_samples, find)
    candidate = Contender(
        name="tuned", weights=weights_sha256(tuned.manifest), served=tuned.folder, adapter=tuned.adapter
    )
    rival = production if production and production.weights != candidate.weights else None
    asked = msgspec.json.encode(questions).decode()
    key = content_hash(VERSION, address, dataset.version, *_decoding(), rival.weights if rival else "", asked)[:32]
    kept = store.read(f"evaluations/{key}.json")
    if kept is not None and (earlier := _readable(kept)):
        store.write(LATEST, kept)
        return earlier
    first = Contender(name="base", weights=base.sha256, served=base.gguf or base.folder)
    said = {one.name: _said(one, questions, store, base, work, on_progress) for one in (first, candidate, rival) if one}
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for sample in dataset.train:
        texts[sample.author].append(sample.answer)
    scores = model_evaluation.score(
        questions,
        said[candidate.name],
        said[first.name],
        production=said[rival.name] if rival else None,
        author_texts=texts,
    )
    result = Assessment(
        key=key,
        model=address,
        dataset_version=dataset.version,
        production=rival.name if rival else None,
        scores=scores,
    )
    encoded = msgspec.json.encode(result)
    store.write(f"evaluations/{key}.json", encoded)
    store.write(LATEST, encoded)
    return result


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


def _said(
    contender: Contender,
    questions: Sequence[HeldOut],
    store: ArtifactStore,
    base: BaseModel,
    work: Path,
    on_progress: Callable[[Progress], None] | None,
) -> model_evaluation.Said:
    """What a model says to the questions, remembered or asked."""
    plain, shown = prompts_of(questions)
    prompts = [*plain, *shown]
    endpoint = read(EndpointSettings).model_copy(
        update={"timeout_seconds": ANSWER_SECONDS, "answer_seconds": ANSWER_SECONDS}
    )

    def answer(places: list[int]) -> list[Answer]:
        with model_process(contender.served, settings=endpoint) as client:
            asked = [prompts[place] for place in places]
            return ask(asked, client, at_once=endpoint.slots, on_progress=on_progress)

    def lose(places: list[int]) -> list[SampleLoss]:
        asked = [questions[place] for place in places]
        return losses.measure(asked, base=base.folder, adapter=contender.adapter, work=work, on_progress=on_progress)

    answers = remembered(
        store,
        f"evaluations/answers/{content_hash(contender.weights, *_decoding())[:32]}.json",
        [_hash(prompt) for prompt in prompts],
        Answer,
        answer,
    )
    return model_evaluation.Said(
        plain=answers[: len(plain)],
        shown=answers[len(plain) :],
        losses=remembered(
            store,
            f"evaluations/losses/{content_hash(contender.weights, base.sha256)[:32]}.json",
            [_hash([question.prompt, question.answer]) for question in questions],
            SampleLoss,
            lose,
        )
        if contender.shares_base
        else None,
    )


def _decoding() -> tuple[str, ...]:
    """All that decides what a model answers to a prompt."""
    endpoint = read(EndpointSettings)
    return str(MAX_ANSWER_TOKENS), str(endpoint.repetition_penalty), str(endpoint.repetition_window)


def _hash(asked: Any) -> str:
    return content_hash(msgspec.json.encode(asked).decode())[:32]


def latest(store: ArtifactStore) -> Assessment:
    """The assessment that was made or found last.

    Raises:
        ArtifactError: There is none.
    """
    kept = store.read(LATEST)
    found = _readable(kept) if kept is not None else None
    if found is None:
        raise ArtifactError("No model was evaluated yet. Materialize model_evaluation: `llm-twin materialize train`.")
    return found


def _readable(kept: bytes) -> Assessment | None:
    """The assessment, unless another version wrote it otherwise: then the model is evaluated anew."""
    try:
        return msgspec.json.decode(kept, type=Assessment)
    except msgspec.DecodeError as error:
        logger.warning("A kept assessment of a model cannot be read; it is made anew: %s", error)
        return None


def registry_manifest(store: ArtifactStore, assessment: Assessment, decision: GateDecision) -> dict[str, Any]:
    """What the registry keeps of a model: small, and enough to find, verify, judge and repeat it."""
    model, folder = catalog.stored(store, assessment.model), catalog.folder_of(assessment.model)
    return {
        "uri": f"folders/{folder}",
        "folder": folder,
        "job": model.job,
        "sha256": weights_sha256(model.manifest),
        **{
            name: model.manifest[name]
            for name in ("base_model", "base_sha256", "dataset_version", "code_version", "hyperparameters")
        },
        "scores": assessment.scores.as_metadata(),
        "gate": decision.as_manifest() | {"production": assessment.production},
        "examples": msgspec.to_builtins(assessment.scores.examples),
    }
