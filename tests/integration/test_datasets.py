"""An instruct dataset whose instructions a real model writes, SmolLM2-135M, served by the container program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twin.datasets import InstructDataset, InstructionCache, build, leaks
from twin.datasets.filters import why_not
from twin.records import Chunk, chunk_id, document_id
from twin.serving.process import model_process
from twin.settings import EndpointSettings, ModelSettings, read
from twin.training import base_model

if TYPE_CHECKING:
    from pathlib import Path

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


def make(folder: Path, model: base_model.BaseModel) -> InstructDataset:
    assert model.gguf is not None
    patient = read(EndpointSettings).model_copy(update={"threads": 1, "timeout_seconds": 250.0})
    return build(
        [a_chunk(subject, text) for subject, text in PASSAGES.items()],
        model_process(model.gguf, settings=patient, log=folder / "writer.log"),
        writer_name=f"{model.name}@{model.sha256[:12]}",
        cache=InstructionCache(folder / "cache"),
        cap=4,
        test_share=0.25,
        seed=42,
    )


@pytest.mark.timeout(600)
def test_a_small_model_writes_questions_that_the_passages_answer(tmp_path: Path, home: Path) -> None:
    model = base_model.ensure(read(ModelSettings), home)
    dataset = make(tmp_path, model)
    samples = [*dataset.train, *dataset.test]
    # How many a model of 135M parameters gets right differs between machines; every passage is accounted for on all
    assert samples, f"no instruction can be used: {dataset.rejected}"
    assert len(samples) + sum(dataset.rejected.values()) == len(PASSAGES)
    assert {sample.answer for sample in samples} <= set(PASSAGES.values())
    assert [why_not(sample.instruction, sample.answer) for sample in samples] == [None] * len(samples)
    assert leaks(dataset.train, dataset.test) == []

    (tmp_path / "writer.log").unlink()
    assert make(tmp_path, model) == dataset
    assert not (tmp_path / "writer.log").exists(), "nothing was left to ask, so no model was started"
