"""Building instruct datasets: what is chosen, what is asked, what is shown, and what makes a new version."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.unit.datasets.support import CHUNKS, RuleWriter, WordSearch, a_chunk, make
from twin import datasets
from twin.artifacts import ArtifactStore
from twin.datasets import InstructDataset, InstructionWriter, leaks, to_messages
from twin.datasets.instruct.choosing import MAX_SHARE, beginning
from twin.datasets.writer import writer_messages
from twin.errors import ArtifactError, ModelUnavailable, Overloaded
from twin.prompts import answer_messages
from twin.training.base_model import BaseModel
from twin.training.job import TrainingJob
from twin.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twin.datasets import Likelihood, Unfinished
    from twin.records import Chunk, InstructSample
    from twin.serving.client import Completion


class RuleReader:
    """Finds a text likelier the more of its words the prompt has."""

    name = "rules"

    def write(self, unfinished: Sequence[Unfinished]) -> list[list[str]]:
        return [[f"{begin} you?" for begin in one.beginnings] for one in unfinished]

    def losses(self, asked: Sequence[Likelihood]) -> list[float]:
        return [3.0 - 0.1 * sum(word in one.prompt[-1]["content"] for word in one.text.split()) for one in asked]


def seen(samples: Sequence[InstructSample]) -> list[str]:
    return [sample.instruction for sample in samples]


def test_the_teachers_prompt_is_this() -> None:
    chunk = msgspec.structs.replace(
        a_chunk(1, 2, text="First words."), heading_path=["🚢 Boats & bays", "1. Conclusion"]
    )
    assert writer_messages(chunk) == [
        {"role": "system", "content": "You are a reader who asks short questions."},
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
            "content": "First words.\n\nAsk 3 different questions, one a line, about Boats & bays that this answers.",
        },
    ]


def test_samples_are_the_authors_passages_with_an_instruction_each_split_by_document(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    texts = {chunk.id: chunk.text for chunk in CHUNKS}
    assert (len(dataset.train), len(dataset.test)) == (14, 6)
    for sample in dataset.samples:
        assert texts[sample.chunk_id].endswith(sample.answer)
        assert (sample.answer == texts[sample.chunk_id]) == (sample.method != "continuation")
    assert {sample.document_id for sample in dataset.test} <= dataset.test_documents
    assert not {sample.document_id for sample in dataset.train} & dataset.test_documents
    assert len(set(seen(dataset.samples))) == 20
    assert leaks(dataset.train, dataset.test, [c for c in CHUNKS if c.document_id in dataset.test_documents]) == []


def test_each_way_of_making_an_instruction_is_taken_and_all_of_them_lead_back(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path, cap=40)
    methods = {sample.method for sample in dataset.samples}
    assert methods >= {"heading", "keywords", "written"}
    assert all(sample.writer == ("rules" if sample.method == "written" else "structure") for sample in dataset.samples)
    assert {sample.rank for sample in dataset.samples} <= {1, 2, 3}
    assert all(sample.candidates >= 1 and sample.pmi is None for sample in dataset.samples)
    assert {sample.method for sample in dataset.test} <= {"heading", "keywords", "written", "last resort"}


def test_no_beginning_is_that_of_too_many(tmp_path: Path) -> None:
    dataset = make([a_chunk(document, ordinal) for document in range(30) for ordinal in range(4)], tmp_path, cap=100)
    for samples in (dataset.train, dataset.test):
        begun = [beginning(sample.instruction) for sample in samples]
        assert max(map(begun.count, begun)) <= MAX_SHARE * len(samples)
    assert datasets.statistics(dataset).beginning_share <= MAX_SHARE


def test_no_more_is_written_than_may_be(tmp_path: Path) -> None:
    writer = RuleWriter()
    dataset = make(CHUNKS, tmp_path, writer, cap=40, most_written=5)
    assert len(writer.asked) == 5
    assert sum(sample.method == "written" for sample in dataset.samples) <= 5
    assert len(dataset.samples) == 40, "the others are made from title and headings"


def test_of_what_was_written_that_is_taken_which_makes_the_passage_likelier(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path, cap=40, reader=RuleReader())
    written = [sample for sample in dataset.samples if sample.method == "written"]
    assert written
    assert all(sample.pmi is not None and sample.pmi >= 0.1 for sample in written)


def test_an_instruction_that_leads_elsewhere_is_left_out_and_counted(tmp_path: Path) -> None:
    class Lost(WordSearch):
        def search(self, query: str, k: int, author: str | None = None):
            return [one for one in super().search(query, k, author) if one.document_id != CHUNKS[0].document_id]

    dataset = make(CHUNKS, tmp_path, search=Lost(CHUNKS), cap=40)
    assert dataset.rejected == {"no instruction leads back": 4}
    assert CHUNKS[0].document_id not in {sample.document_id for sample in dataset.samples}
    assert datasets.statistics(dataset).passages_with_one == pytest.approx(0.9)


def test_half_of_the_samples_show_what_the_search_finds_and_always_their_own_passage(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path, cap=40)
    texts = {chunk.text: chunk for chunk in CHUNKS}
    shown = [sample for sample in dataset.samples if sample.context]
    assert 0 < len(shown) < 40
    for sample in shown:
        assert sample.answer in sample.context
        assert sum(len(text.split()) for text in (*sample.context, sample.answer)) <= 400
        documents = {texts[text].document_id for text in sample.context}
        assert sample.split == "test" or not documents & dataset.test_documents
    assert any(len(sample.context) > 1 for sample in shown)
    assert any({texts[t].document_id for t in s.context} - {s.document_id} for s in shown), "other documents too"


def test_a_few_training_samples_come_after_an_earlier_question_on_their_document(tmp_path: Path) -> None:
    chunks = [a_chunk(document, ordinal) for document in range(20) for ordinal in range(6)]
    dataset = make(chunks, tmp_path, cap=100)
    after = [sample for sample in dataset.samples if sample.history]
    assert 0 < len(after) < 30
    texts = {chunk.text: chunk for chunk in chunks}
    for sample in after:
        ((asked, answered),) = sample.history
        assert texts[answered].document_id == sample.document_id
        assert texts[answered].ordinal < texts[sample.answer].ordinal
        assert sample.split == "train"
        assert to_messages(sample)["prompt"][1:3] == [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": answered},
        ]


def test_messages_are_the_serving_prompt_and_the_answer(tmp_path: Path) -> None:
    for sample in make(CHUNKS, tmp_path).train:
        assert to_messages(sample) == {
            "prompt": answer_messages(sample.instruction, "Ada", sample.context, sample.history),
            "completion": [{"role": "assistant", "content": sample.answer}],
        }


def test_nothing_is_asked_twice_and_the_writer_does_not_even_start(tmp_path: Path) -> None:
    first, second, third = RuleWriter(), RuleWriter(), RuleWriter()
    search = WordSearch(CHUNKS)
    made = make(CHUNKS, tmp_path, first)
    assert first.asked
    assert make(CHUNKS, tmp_path, second, search=search) == made
    assert (second.asked, second.entered, search.asked) == ([], 0, [])
    more = make([*CHUNKS, *(a_chunk(99, ordinal) for ordinal in range(4))], tmp_path, third, cap=22)
    assert len(third.asked) <= 4, "only what the cap let in anew"
    assert made.test_documents <= more.test_documents
    assert more.version != made.version


def test_a_writer_that_fails_loses_nothing_that_it_wrote(tmp_path: Path) -> None:
    whole = RuleWriter()
    make(CHUNKS, tmp_path / "a", whole, cap=40)
    with pytest.raises(ModelUnavailable):
        make(CHUNKS, tmp_path / "b", RuleWriter(fail_after=4), cap=40)
    rest = RuleWriter()
    make(CHUNKS, tmp_path / "b", rest, cap=40)
    assert len(rest.asked) == len(whole.asked) - 4


class Busy(RuleWriter):
    """Refuses the first requests as an overloaded server does, and then answers garbage to some."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self._refusals = refusals

    def complete(self, messages: Sequence[dict[str, str]], **more: Any) -> Completion:
        with self._lock:
            self._refusals -= 1
            if self._refusals >= 0:
                raise Overloaded("Busy.")
        reply = super().complete(messages, **more)
        return msgspec.structs.replace(reply, text="\x00}{\n\n???") if "bread" in messages[-1]["content"] else reply


def test_a_teacher_that_is_busy_is_asked_again_and_one_that_talks_nonsense_is_done_without(tmp_path: Path) -> None:
    pauses: list[float] = []
    cache = datasets.InstructionCache(tmp_path)
    writer = InstructionWriter(Busy(3).running(), name="busy", cache=cache, seed=1, sleep=pauses.append)
    bread, boats = writer.write([CHUNKS[0], CHUNKS[4]])
    assert (bread, len(boats)) == ([], 2)
    assert len(pauses) == 3
    gone = InstructionWriter(Busy(100).running(), name="gone", cache=cache, seed=1, sleep=pauses.append)
    with pytest.raises(Overloaded):
        gone.write([CHUNKS[0]])


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path / "a")
    held_out = next(chunk for chunk in CHUNKS if chunk.document_id in dataset.test_documents)
    learned = next(chunk for chunk in CHUNKS if chunk.document_id not in dataset.test_documents)
    extra = [
        msgspec.structs.replace(
            learned, id=str(uuid.uuid4()), ordinal=ordinal, text=text, heading_path=[f"Part {ordinal}"]
        )
        for ordinal, text in (
            (10, f"And once more. {held_out.text}"),
            (11, learned.text.upper()),
            (12, "Too short."),
        )
    ]
    dataset = make([*CHUNKS, *extra], tmp_path / "b", cap=100)
    assert dataset.rejected == {"repeats another passage": 1, "repeats held-out text": 1}


def test_no_passage_makes_an_empty_dataset_and_asks_nobody(tmp_path: Path) -> None:
    writer = RuleWriter()
    dataset = make([a_chunk(1, 0, text="Too short.")], tmp_path, writer)
    assert (dataset.train, dataset.test, writer.entered) == ([], [], 0)
    assert datasets.statistics(dataset).passages_with_one == 0
    single = make([a_chunk(1, 0)], tmp_path, writer)
    assert (len(single.train), len(single.test)) == (1, 0)


def test_a_version_is_its_content(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    assert make(CHUNKS[::-1], tmp_path).version == dataset.version
    fewer = msgspec.structs.replace(dataset, train=dataset.train[1:])
    assert fewer.version != dataset.version
    assert fewer.training_version != dataset.training_version


def edited(chunks: Sequence[Chunk], document: str) -> list[Chunk]:
    """The corpus after its author rewrote one document: a new revision, so new ids, and other words."""
    return [
        msgspec.structs.replace(
            chunk, id=str(uuid.uuid5(uuid.NAMESPACE_URL, chunk.id)), revision=2, text=chunk.text.replace("noted", "saw")
        )
        if chunk.document_id == document
        else chunk
        for chunk in chunks
    ]


def job_of(dataset: InstructDataset, folder: Path) -> tuple[str, bytes]:
    """The name of the job that would train on a dataset, and what it would read."""
    datasets.write_channels(dataset, folder)
    train = folder / "train" / "samples.jsonl"
    base = BaseModel(name="base", folder=folder, gguf=None, sha256="ab")
    job = TrainingJob(dataset_version=dataset.training_version, base=base, recipe=Recipe(), train=train)
    return job.name, train.read_bytes()


def test_an_edit_of_held_out_text_makes_another_dataset_and_no_other_training_data(tmp_path: Path) -> None:
    before = make(CHUNKS, tmp_path / "made")
    after = make(edited(CHUNKS, before.test[0].document_id), tmp_path / "made")
    assert after.version != before.version
    assert after.training_version == before.training_version
    assert job_of(before, tmp_path / "before") == job_of(after, tmp_path / "after")
    learned = make(edited(CHUNKS, before.train[0].document_id), tmp_path / "made")
    assert learned.training_version != before.training_version
    assert job_of(learned, tmp_path / "learned")[0] != job_of(before, tmp_path / "before")[0]


def test_ids_figures_and_order_are_no_training_data(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    same = [
        msgspec.structs.replace(sample, id=str(number), chunk_id="x", rank=9, pmi=1.0, method="other", candidates=7)
        for number, sample in enumerate(reversed(dataset.train))
    ]
    assert msgspec.structs.replace(dataset, train=same, test=[]).training_version == dataset.training_version


def test_every_kind_of_leak_is_found(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    clean, held_out = dataset.train[0], dataset.test[0]
    unseen = next(c for c in CHUNKS if c.document_id in dataset.test_documents and c.id != held_out.chunk_id)
    around = " ".join(f"word{number}" for number in range(400))
    bad = {
        "document": msgspec.structs.replace(clean, id="document", document_id=held_out.document_id),
        "instruction": msgspec.structs.replace(clean, id="instruction", instruction=held_out.instruction.upper()),
        "answer": msgspec.structs.replace(clean, id="answer", answer=f"Well. {held_out.answer}"),
        "context": msgspec.structs.replace(clean, id="context", context=[clean.answer, unseen.text]),
        "within": msgspec.structs.replace(clean, id="within", context=[f"{around} {unseen.text} {around}"]),
        "asked": msgspec.structs.replace(clean, id="asked", instruction=f"Go on: {unseen.text}"),
        "earlier": msgspec.structs.replace(clean, id="earlier", history=[("What?", unseen.text)]),
    }
    found = leaks([clean, *bad.values()], dataset.test, [unseen])
    assert {(leak.sample_id, leak.reason) for leak in found} == {
        ("document", "its document is held out"),
        ("instruction", "a test sample has the same instruction"),
        *((name, "it shows held-out text") for name in ("answer", "context", "within", "asked", "earlier")),
    }


def test_a_dataset_is_stored_whole_and_damage_is_noticed(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    manifest = datasets.save(dataset, tmp_path / "saved")
    assert datasets.load(tmp_path / "saved") == dataset
    assert (manifest.version, manifest.training_version) == (dataset.version, dataset.training_version)
    assert manifest.statistics == datasets.statistics(dataset)
    lines = (tmp_path / "saved" / "train.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "saved" / "train.jsonl").write_bytes(b"".join(lines[1:]))
    with pytest.raises(ArtifactError, match="damaged"):
        datasets.load(tmp_path / "saved")
    with pytest.raises(ArtifactError, match="cannot be read"):
        datasets.load(tmp_path / "nothing")


def test_the_card_tells_what_the_dataset_is(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    datasets.save(dataset, tmp_path / "saved")
    card = (tmp_path / "saved" / "README.md").read_text(encoding="utf-8")
    for told in (dataset.version, dataset.training_version, "| Ada | 20 |", "14 samples to train on", "6 held out"):
        assert told in card
    assert dataset.train[0].instruction in card


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def published(store: ArtifactStore, tmp_path: Path) -> tuple[InstructDataset, InstructDataset]:
    """Two datasets, the second of which is the current one."""
    first, second = make(CHUNKS, tmp_path), make(CHUNKS, tmp_path, cap=10)
    for dataset in (first, second):
        datasets.publish(store, dataset)
    return first, second


def test_the_store_keeps_every_version_and_knows_the_current_one(
    store: ArtifactStore, published: tuple[InstructDataset, InstructDataset]
) -> None:
    first, second = published
    assert datasets.current(store) == second
    for name in (first.version, first.version[:8], first.training_version):
        assert datasets.stored(store, name) == first
    assert [one.version for one in datasets.versions(store)] == [second.version, first.version]
    made = datasets.manifest_of(store, first.version).created_at
    datasets.publish(store, first)
    assert datasets.manifest_of(store, first.version).created_at == made, "publishing it again does not make it newer"
    with pytest.raises(ArtifactError, match="llm-twin datasets list"):
        datasets.stored(store, "nothing")


def test_a_store_without_a_dataset_says_so(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactError, match="no instruct dataset yet"):
        datasets.current(store)


def test_training_channels_hold_prompts_and_completions(tmp_path: Path) -> None:
    dataset = make(CHUNKS, tmp_path)
    datasets.write_channels(dataset, tmp_path / "channels")
    for name, samples in (("train", dataset.train), ("test", dataset.test)):
        lines = (tmp_path / "channels" / name / "samples.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == [to_messages(one) for one in datasets.canonical(samples)]
