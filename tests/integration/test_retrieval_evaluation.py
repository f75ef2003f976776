"""`retrieval_evaluation` as Dagster runs it: the first passes, a worse index is stopped, and a person may accept it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import msgspec
import pytest

from assets import evaluation
from resources import ArtifactsResource, DeploymentResource, all_resources
from twin import datasets
from twin.datasets import InstructDataset
from twin.deployment import Deployment
from twin.evaluation.history import history
from twin.evaluation.measurement import measure
from twin.evaluation.retrieval import held_out_questions
from twin.features import pipeline
from twin.home import Home
from twin.processes import wait_until
from twin.records import Chunk, InstructSample, chunk_id, content_hash, document_id

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np

SUBJECTS = ["otter", "badger", "heron", "lynx", "walrus", "gecko", "falcon", "beaver", "jackal", "puffin"]
"""One document for each; as many questions as the default limits give."""


def a_chunk(subject: str, says: str) -> Chunk:
    identity = document_id(f"/{subject}")
    return Chunk(
        id=chunk_id(identity, 1, 0),
        document_id=identity,
        revision=1,
        ordinal=0,
        text=says,
        token_count=30,
        title="Notes",
        url=f"https://example.org/{subject}",
        author="Ada" if len(subject) % 2 else "Bob",
    )


def publish(deployment: Deployment, chunks: Iterable[Chunk]) -> None:
    """The chunks as the store's datasets and as the live index."""
    by_document = {chunk.document_id: chunk for chunk in chunks}
    inputs = {document: content_hash(chunk.text) for document, chunk in by_document.items()}
    store, embedder = deployment.artifacts, deployment.embedder
    store.dataset("chunks", Chunk).sync(inputs, lambda keys: ((key, [by_document[key]]) for key in keys))

    pipeline.embed(store, embedder)
    pipeline.publish(store, deployment.vector_index, embedder)


def evaluate(home: Path, *, accept: bool = False) -> dg.ExecuteInProcessResult:
    """A run of the asset with its checks, as the train job has it."""
    return dg.materialize(
        [evaluation.retrieval_evaluation, *evaluation.CHECKS],
        resources=all_resources(),
        run_config={
            "ops": {"retrieval_evaluation": {"config": {"accept": accept}}},
            "resources": {"deployment": {"config": {"home": str(home)}}},
        },
        raise_on_error=False,
    )


def check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    return next(found for found in result.get_asset_check_evaluations() if found.check_name == name)


@pytest.fixture
def deployment(home: Path) -> Deployment:
    deployment = Deployment(Home(home))
    samples = [
        InstructSample(
            id=subject,
            instruction=f"Where does the {subject} sleep?",
            answer="-",
            author=a_chunk(subject, "").author,
            document_id=a_chunk(subject, "").document_id,
            chunk_id=a_chunk(subject, "").id,
            split="test",
            writer="hand",
        )
        for subject in SUBJECTS
    ]
    dataset = InstructDataset(
        train=[msgspec.structs.replace(samples[0], split="train")],
        test=samples,
        rejected={},
        test_documents=frozenset(sample.document_id for sample in samples),
        writer="hand",
    )
    datasets.publish(deployment.artifacts, dataset)
    return deployment


def test_a_worse_index_is_stopped_until_a_person_accepts_it(home: Path, deployment: Deployment) -> None:
    good = [a_chunk(subject, f"In my notes on the {subject} I wrote where it sleeps.") for subject in SUBJECTS]
    publish(deployment, good)
    first = evaluate(home)
    assert first.success
    assert check(first, "no_regression").passed
    metadata = first.asset_materializations_for_node("retrieval_evaluation")[0].metadata
    found = metadata["mrr@10"].value
    assert isinstance(found, float)
    assert found > 0.9
    assert {"mrr@10/Ada", "mrr@10/Bob", "systems", "authors"} <= metadata.keys()
    assert str(metadata["over time"].value).startswith("![Retrieval over time](data:image/png;base64,")

    rotated = [*SUBJECTS[7:], *SUBJECTS[:7]]
    publish(
        deployment,
        [a_chunk(subject, f"In my notes on the {other} I wrote where it sleeps.")
         for subject, other in zip(SUBJECTS, rotated, strict=True)],
    )  # fmt: skip
    worse = evaluate(home)
    assert not worse.success
    verdict = check(worse, "no_regression")
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "llm-twin index rollback" in (verdict.description or "")

    assert evaluate(home, accept=True).success
    assert [one.accepted for one in history(deployment.artifacts)] == [True, True]


def test_questions_about_passages_that_the_index_lacks_are_told_and_no_regression(
    home: Path, deployment: Deployment
) -> None:
    """As after `index rollback`, which leaves the dataset ahead of the index."""
    good = [a_chunk(subject, f"In my notes on the {subject} I wrote where it sleeps.") for subject in SUBJECTS]
    publish(deployment, good)
    assert evaluate(home).success
    publish(deployment, good[:3])
    rolled_back = evaluate(home)
    assert check(rolled_back, "no_regression").passed
    metadata = rolled_back.asset_materializations_for_node("retrieval_evaluation")[0].metadata
    assert (metadata["questions"].value, metadata["left_out"].value) == (3, 7)


class PublishingEmbedder:
    """Embeds, and in the midst of the questions has another index published."""

    def __init__(self, deployment: Deployment, chunks: list[Chunk]) -> None:
        self._deployment, self._chunks, self._asked = deployment, chunks, 0
        self._embedder = deployment.embedder

    def __getattr__(self, name: str) -> object:
        return getattr(self._embedder, name)

    def embed(self, texts: list[str]) -> np.ndarray:
        self._asked += 1
        if self._asked == 5:
            before = self._deployment.vector_index.generation()
            publish(Deployment(self._deployment.home), self._chunks)
            wait_until(lambda: self._deployment.vector_index.generation() != before, what="the switch", timeout=60)
        return self._embedder.embed(texts)


def test_an_evaluation_is_of_one_generation_though_another_is_published_meanwhile(deployment: Deployment) -> None:
    good = [a_chunk(subject, f"In my notes on the {subject} I wrote where it sleeps.") for subject in SUBJECTS]
    publish(deployment, good)
    first = deployment.vector_index.generation()
    questions = held_out_questions(datasets.current(deployment.artifacts).test)
    embedder = PublishingEmbedder(deployment, good[:4])
    measured = measure(questions, embedder, deployment.vector_index)  # ty: ignore[invalid-argument-type]
    assert measured.searched.name == deployment.vector_index.generation() != first
    assert (len(measured.outcomes), measured.left_out) == (4, 6)


def test_a_check_before_any_evaluation_says_what_to_do(home: Path) -> None:
    verdict = evaluation.no_regression(artifacts=ArtifactsResource(deployment=DeploymentResource(home=str(home))))
    assert isinstance(verdict, dg.AssetCheckResult)
    assert not verdict.passed
    assert "llm-twin materialize retrieval_evaluation" in (verdict.description or "")
