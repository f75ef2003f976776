"""Building instruct datasets, with a writer that answers by rule."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from twin.artifacts import ArtifactStore
from twin.datasets import (
    InstructDataset,
    InstructionCache,
    build,
    current,
    leaks,
    load,
    publish,
    save,
    stored,
    to_messages,
    write_channels,
)
from twin.datasets.writer import writer_messages
from twin.errors import ArtifactError, ModelUnavailable
from twin.prompts import answer_messages
from twin.records import Chunk, chunk_id, document_id
from twin.serving.client import Completion

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SUBJECTS = [
    "bread",
    "boats",
    "clocks",
    "gardens",
    "letters",
    "maps",
    "rivers",
    "roofs",
    "shoes",
    "songs",
    "stairs",
    "stones",
    "tables",
    "towns",
    "trains",
]


class RuleWriter:
    """Asks about the last word of its request's topic; counts how often it was asked and entered."""

    def __init__(self, *, fail_after: int | None = None) -> None:
        self.asked: list[str] = []
        self.entered = 0
        self._fail_after = fail_after
        self._lock = threading.Lock()

    def complete(self, messages: Sequence[dict[str, str]], **_: Any) -> Completion:
        request = messages[-1]["content"]
        with self._lock:
            if self._fail_after is not None and len(self.asked) >= self._fail_after:
                raise ModelUnavailable("The writer went away.")
            self.asked.append(request)
        topic = re.findall(r"about (.+) that this answers", request)[-1]
        text = f"What have you learned about {topic}?" if "unanswerable" not in request else "Nothing."
        return Completion(text=text, prompt_tokens=1, completion_tokens=1, finish_reason="stop", model="rules")

    @contextlib.contextmanager
    def running(self):
        self.entered += 1
        yield self


def a_chunk(document: int, ordinal: int, *, text: str | None = None, author: str = "Ada") -> Chunk:
    subject = SUBJECTS[document % len(SUBJECTS)]
    identity = document_id(f"/{document}")
    body = " ".join(f"Of {subject} number {document} I noted remark{ordinal}x{index}." for index in range(10))
    return Chunk(
        id=chunk_id(identity, 1, ordinal),
        document_id=identity,
        revision=1,
        ordinal=ordinal,
        text=text or body,
        heading_path=[f"{subject.title()} of kind {ordinal}"],
        token_count=100,
        title=f"On {subject} {document}",
        url=f"https://example.org/{document}",
        author=author,
    )


CHUNKS = [a_chunk(document, ordinal) for document in range(10) for ordinal in range(4)]


def make(chunks: list[Chunk], folder: Path, writer: RuleWriter | None = None, cap: int = 20) -> InstructDataset:
    writer = writer or RuleWriter()
    return build(
        chunks,
        writer.running(),
        writer_name="rules",
        cache=InstructionCache(folder / "cache"),
        cap=cap,
        test_share=0.3,
        seed=42,
    )


def test_the_writers_prompt_is_this() -> None:
    chunk = a_chunk(1, 2, text="First words. " + "more words " * 80)
    generic = msgspec.structs.replace(chunk, heading_path=["🚢 Boats & bays", "1. Conclusion"])
    assert writer_messages(generic) == [
        {"role": "system", "content": "You are a reader who asks one short question."},
        {
            "role": "user",
            "content": "We kept the meeting to fifteen minutes, standing up. Anything that needed longer got its own "
            "room and only the people it concerned. After a month nobody wanted the old hour back.\n\n"
            "Ask one question about the daily meeting that this answers.",
        },
        {"role": "assistant", "content": "How do you keep a daily meeting short and still useful?"},
        {
            "role": "user",
            "content": "Cold dough rises slowly, and slow is what you want: the yeast works overnight while the flour "
            "takes up water. In a hurry you can do it in two hours, but you will taste the difference.\n\n"
            "Ask one question about rising that this answers.",
        },
        {"role": "assistant", "content": "Why should bread dough rise in the fridge overnight?"},
        {
            "role": "user",
            "content": "First words."
            + " more words" * 49
            + "\n\nAsk one question about Boats & bays that this answers.",
        },
    ]


def test_samples_are_the_authors_passages_with_an_instruction_each_split_by_document(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    texts = {chunk.id: chunk for chunk in CHUNKS}
    samples = [*dataset.train, *dataset.test]
    assert len(samples) == 20
    assert all(sample.answer == texts[sample.chunk_id].text for sample in samples)
    assert all(sample.author == "Ada" and sample.writer == "rules" for sample in samples)
    assert {sample.document_id for sample in dataset.test} <= dataset.test_documents
    assert not {sample.document_id for sample in dataset.train} & dataset.test_documents
    assert len(dataset.test) == 6
    assert len({sample.instruction for sample in samples}) == 20
    assert leaks(dataset.train, dataset.test, [c for c in CHUNKS if c.document_id in dataset.test_documents]) == []


def test_part_of_the_samples_show_their_passage_among_its_neighbours(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    texts = {chunk.text: chunk for chunk in CHUNKS}
    samples = [*dataset.train, *dataset.test]
    shown = [sample for sample in samples if sample.context]
    assert 0 < len(shown) < len(samples)
    for sample in shown:
        assert sample.answer in sample.context
        assert {texts[text].document_id for text in sample.context} == {sample.document_id}
        assert sum(len(text.split()) for text in sample.context) <= 180
    assert any(sample.context[0] != sample.answer for sample in shown), "the answer is not always first"


def test_messages_are_the_serving_prompt_and_the_answer(tmp_path: Path) -> None:
    for sample in make(CHUNKS, tmp_path).train:
        assert to_messages(sample) == {
            "prompt": answer_messages(sample.instruction, "Ada", sample.context),
            "completion": [{"role": "assistant", "content": sample.answer}],
        }


def test_nothing_is_asked_twice_and_the_writer_does_not_even_start(tmp_path: Path) -> None:
    first, second, third = RuleWriter(), RuleWriter(), RuleWriter()
    made = make(CHUNKS, tmp_path, first)
    assert len(first.asked) == 20
    assert make(CHUNKS, tmp_path, second) == made
    assert (second.asked, second.entered) == ([], 0)
    more = make([*CHUNKS, *(a_chunk(99, ordinal) for ordinal in range(4))], tmp_path, third, cap=22)
    assert third.entered == 1
    assert len(third.asked) <= 8, "only what the cap let in anew"
    assert made.test_documents <= more.test_documents
    assert more.version != made.version


def test_a_writer_that_fails_loses_nothing_that_it_wrote(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable):
        make(CHUNKS, tmp_path, RuleWriter(fail_after=7))
    rest = RuleWriter()
    assert len(make(CHUNKS, tmp_path, rest).train) == 14
    assert len(rest.asked) == 13


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path / "a")
    held_out = next(chunk for chunk in CHUNKS if chunk.document_id in dataset.test_documents)
    learned = next(chunk for chunk in CHUNKS if chunk.document_id not in dataset.test_documents)
    number = next(n for n in range(10) if document_id(f"/{n}") == learned.document_id)
    extra = [
        a_chunk(number, 10, text=f"And once more. {held_out.text}"),
        a_chunk(number, 11, text=learned.text.upper()),
        a_chunk(number, 12, text=learned.text.replace("remark", "unanswerable")),
        msgspec.structs.replace(a_chunk(number, 13), heading_path=learned.heading_path),
        a_chunk(number, 14, text="Too short."),
    ]
    writer = RuleWriter()
    dataset = make([*CHUNKS, *extra], tmp_path / "b", writer, cap=100)
    assert dataset.rejected == {
        "not 3 to 30 words": 1,
        "repeats another instruction": 1,
        "repeats another passage": 1,
        "repeats held-out text": 1,
    }
    assert sum("unanswerable" in request for request in writer.asked) == 3, "it was tried again"
    assert len(dataset.train) + len(dataset.test) == 40


def test_no_passage_makes_an_empty_dataset_and_asks_nobody(tmp_path: Path) -> None:
    writer = RuleWriter()
    dataset = make([a_chunk(1, 0, text="Too short.")], tmp_path, writer)
    assert (dataset.train, dataset.test, writer.entered) == ([], [], 0)
    single = make([a_chunk(1, 0)], tmp_path, writer)
    assert (len(single.train), len(single.test)) == (1, 0)


def test_a_version_is_its_content(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    assert make(CHUNKS[::-1], tmp_path).version == dataset.version
    fewer = msgspec.structs.replace(dataset, train=dataset.train[1:])
    assert fewer.version != dataset.version


def test_every_kind_of_leak_is_found(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    clean, held_out = dataset.train[0], dataset.test[0]
    unseen = next(c for c in CHUNKS if c.document_id in dataset.test_documents and c.id != held_out.chunk_id)
    bad = {
        "document": msgspec.structs.replace(clean, id="document", document_id=held_out.document_id),
        "instruction": msgspec.structs.replace(clean, id="instruction", instruction=held_out.instruction.upper()),
        "answer": msgspec.structs.replace(clean, id="answer", answer=f"Well. {held_out.answer}"),
        "context": msgspec.structs.replace(clean, id="context", context=[clean.answer, unseen.text]),
    }
    found = leaks([clean, *bad.values()], dataset.test, [unseen])
    assert {(leak.sample_id, leak.reason) for leak in found} == {
        ("document", "its document is held out"),
        ("instruction", "a test sample has the same instruction"),
        ("answer", "it shows held-out text"),
        ("context", "it shows held-out text"),
    }


def test_a_dataset_is_stored_whole_and_damage_is_noticed(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    manifest = save(dataset, tmp_path / "saved")
    assert load(tmp_path / "saved") == dataset
    assert (manifest.version, manifest.train, manifest.test) == (dataset.version, 14, 6)
    lines = (tmp_path / "saved" / "train.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "saved" / "train.jsonl").write_bytes(b"".join(lines[1:]))
    with pytest.raises(ArtifactError, match="damaged"):
        load(tmp_path / "saved")
    with pytest.raises(ArtifactError, match="cannot be read"):
        load(tmp_path / "nothing")


def test_the_store_keeps_every_version_and_knows_the_current_one(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "artifacts"))
    with pytest.raises(ArtifactError, match="no instruct dataset yet"):
        current(store)
    first, second = make(CHUNKS, tmp_path), make(CHUNKS, tmp_path, cap=10)
    publish(store, first)
    publish(store, second)
    assert current(store) == second
    assert stored(store, first.version) == first


def test_training_channels_hold_prompts_and_completions(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    write_channels(dataset, tmp_path / "channels")
    for name, samples in (("train", dataset.train), ("test", dataset.test)):
        lines = (tmp_path / "channels" / name / "samples.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == [to_messages(sample) for sample in samples]
