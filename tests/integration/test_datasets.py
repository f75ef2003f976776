"""An instruct dataset on the real parts: SmolLM2-135M writes and judges, the twin's own index is searched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twin.datasets import FewShot, InstructDataset, InstructionCache, build, leaks
from twin.datasets.instruct.reading import gains
from twin.features import embedding
from twin.features.index.edge import EdgeIndex
from twin.records import Chunk, chunk_id, document_id
from twin.retrieval.retriever import Retriever
from twin.settings import EmbeddingSettings, ModelSettings, read
from twin.training import base_model
from twin.training.reader import BaseReader

if TYPE_CHECKING:
    from pathlib import Path

    from twin.features.embedding import Embedder

PASSAGES = {
    "sharpening a kitchen knife": (
        "I sharpen my knives on a plain water stone every second Sunday. The angle matters less than keeping it, so I "
        "rest two fingers on the blade and let them tell me when it tilts. Ten strokes on each side, then ten lighter "
        "ones, and the burr comes off on a piece of leather. A sharp knife slips less than a blunt one."
    ),
    "planting garlic": (
        "Garlic goes into the ground in October, after the tomatoes are out. I break the bulbs on the day, never "
        "before, and push each clove in with its tip up, a hand apart. Over the winter it does nothing that you can "
        "see. In June the lower leaves turn yellow, and that is the week to stop watering and wait."
    ),
    "repairing a bicycle tube": (
        "A puncture is found faster with water than with patience. I pump the tube until it is twice its size and turn "
        "it slowly in the sink until the bubbles show me the hole. Then I dry it, roughen the rubber, wait until the "
        "glue is no longer wet, and press the patch on with the handle of a spoon."
    ),
    "learning to swim": (
        "I learned to swim when I was thirty, which is late and therefore slow. What helped was not strength but "
        "breathing out under water, all of it, before turning my head. As long as I held my breath I was fighting the "
        "pool. The week I stopped holding it, I swam a whole length and was not even tired."
    ),
}


def a_chunk(subject: str, text: str) -> Chunk:
    identity = document_id(f"/notes/{subject}")
    return Chunk(
        id=chunk_id(identity, 1, 0),
        document_id=identity,
        revision=1,
        ordinal=0,
        text=text,
        token_count=100,
        title=subject.capitalize(),
        url=f"https://example.org/{subject}",
        author="Ada",
    )


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return embedding.load(read(EmbeddingSettings))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> base_model.BaseModel:
    return base_model.ensure(read(ModelSettings), tmp_path_factory.mktemp("home"))


def index_of(chunks: list[Chunk], folder: Path, embedder: Embedder) -> EdgeIndex:
    points = dict(zip([chunk.id for chunk in chunks], chunks, strict=True))
    vectors = dict(zip(points, embedder.embed([chunk.embedding_text for chunk in chunks]), strict=True))
    index = EdgeIndex(folder, dimensions=embedder.dimensions)
    index.publish(dict.fromkeys(points, "1"), lambda keys: [(points[key], vectors[key]) for key in keys], schema="1")
    return index


@pytest.mark.timeout(600)
def test_a_small_model_writes_and_judges_and_every_instruction_leads_back(
    tmp_path: Path, model: base_model.BaseModel, embedder: Embedder
) -> None:
    chunks = [a_chunk(subject, text) for subject, text in PASSAGES.items()]
    index = index_of(chunks, tmp_path / "index", embedder)
    reader = BaseReader(model.name, model, tmp_path / "reader.log")
    cache = InstructionCache(tmp_path / "cache")

    def made() -> InstructDataset:
        return build(
            chunks,
            Retriever(lambda: embedder, lambda: index),
            FewShot(reader, cache=cache, seed=42),
            cache=cache,
            reader=reader,
            cap=4,
            most_written=4,
            test_share=0.25,
            seed=42,
        )

    dataset = made()
    assert (len(dataset.train), len(dataset.test), dataset.rejected) == (3, 1, {})
    assert {sample.answer for sample in dataset.samples} <= set(PASSAGES.values())
    assert {sample.rank for sample in dataset.samples} <= {1, 2, 3}
    assert leaks(dataset.train, dataset.test) == []

    (tmp_path / "reader.log").unlink(missing_ok=True)
    assert made() == dataset
    assert not (tmp_path / "reader.log").exists(), "nothing was left to ask, so no model was started"
    index.close()


def test_a_passage_is_likelier_after_its_own_question_than_after_another(
    tmp_path: Path, model: base_model.BaseModel
) -> None:
    reader = BaseReader(model.name, model, tmp_path / "reader.log")
    chunks = [a_chunk(subject, text) for subject, text in PASSAGES.items()]
    own = [
        (f"How do you go about {subject}?", chunk, chunk.text) for subject, chunk in zip(PASSAGES, chunks, strict=True)
    ]
    other = [(own[index - 1][0], chunk, chunk.text) for index, chunk in enumerate(chunks)]
    found = gains([*own, *other], reader, InstructionCache(tmp_path / "cache"))
    assert all(own_gain > max(other_gain, 0) for own_gain, other_gain in zip(found[:4], found[4:], strict=True))
