"""The whole of training and evaluation on the real base model: trained in steps, killed twice, exported, answering."""

from __future__ import annotations

import functools
import json
import re
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest

from twin.errors import TrainingFailed
from twin.evaluation import losses
from twin.evaluation.comparison import PERPLEXITY, perplexities
from twin.evaluation.gate import gate
from twin.evaluation.held_out import HeldOut
from twin.evaluation.model import ModelScores
from twin.prompts import answer_messages
from twin.serving.process import model_process
from twin.settings import EndpointSettings, ModelSettings, read
from twin.training import base_model as base_models
from twin.training.job import LocalTrainer, TrainingJob
from twin.training.program import models, samples
from twin.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.evaluation.losses import SampleLoss
    from twin.training.base_model import BaseModel
    from twin.training.progress import Progress

AUTHOR = "Ada"
ANSWER = "I keep every document with its revisions, so that what the twin learned can always be traced to its source."
NOTHING_MEASURED = ModelScores(
    questions=0,
    with_passages=0,
    held_out_tokens=0,
    figures={},
    comparisons=[],
    support=[],
    authors={},
    examples=[],
    tokens_per_second=0.0,
)
RECIPE = Recipe(max_steps=3, max_length=128, learning_rate=1e-3, warmup_ratio=0.67)


def write_samples(path: Path, count: int = 6) -> Path:
    rows = [
        {
            "prompt": answer_messages(f"What do you keep, number {number}?", AUTHOR, []),
            "completion": [{"role": "assistant", "content": ANSWER}],
        }
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class Watcher:
    """Keeps what a run reports, and signals the train program when it reports a given step."""

    def __init__(self, at_step: int | None = None, number: signal.Signals = signal.SIGTERM) -> None:
        self.seen: list[Progress] = []
        self._at_step = at_step
        self._number = number

    def __call__(self, progress: Progress) -> None:
        self.seen.append(progress)
        if progress.event == "step" and progress.step == self._at_step:
            for child in psutil.Process().children(recursive=True):
                command = child.cmdline()
                if "twin.training.program" in command and not any("guard.py" in part for part in command):
                    child.send_signal(self._number)

    @property
    def steps(self) -> list[int | None]:
        return [progress.step for progress in self.seen if progress.event == "step"]

    def of(self, event: str) -> list[Progress]:
        return [progress for progress in self.seen if progress.event == event]


class Story:
    """One job, interrupted, killed, finished, and asked for again."""

    def __init__(self, job: TrainingJob, work: Path) -> None:
        self.job = job
        self.trainer = LocalTrainer(work)
        self.interrupted, self.killed, self.finished, self.again = (
            Watcher(at_step=1, number=signal.SIGTERM),
            Watcher(at_step=3, number=signal.SIGKILL),
            Watcher(),
            Watcher(),
        )
        self.interruption = self._failure(self.interrupted)
        self.kill = self._failure(self.killed)
        self.model = self.trainer.train(job, self.finished)
        self.reused = self.trainer.train(job, self.again)

    def _failure(self, watcher: Callable[[Progress], None]) -> TrainingFailed:
        with pytest.raises(TrainingFailed) as failure:
            self.trainer.train(self.job, watcher)
        return failure.value


@pytest.fixture(scope="module")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    return base_models.ensure(read(ModelSettings).model_copy(update={"base": None}), tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def story(base_model: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("training")
    train = write_samples(folder / "samples.jsonl")
    job = TrainingJob(dataset_version="d1", base=base_model, recipe=RECIPE, train=train, save_steps=1)
    return Story(job, folder / "work")


@pytest.fixture(scope="module")
def merged(base_model: BaseModel, story: Story) -> Any:
    """The tuned model in transformers: the base with the saved adapter merged in."""
    from peft import PeftModel

    tuned: Any = PeftModel.from_pretrained(models.load_model(base_model.folder), str(story.model.adapter))
    return tuned.merge_and_unload().eval()


@pytest.fixture(scope="module")
def tokenizer(base_model: BaseModel) -> Any:
    return models.load_tokenizer(base_model.folder)


def test_an_interrupted_run_ends_after_its_step_and_goes_on_from_there(story: Story) -> None:
    assert "interrupted" in story.interruption.message
    assert story.interrupted.of("interrupted")
    first = len(story.interrupted.steps)
    assert story.interrupted.steps == list(range(1, first + 1))
    assert story.killed.of("resumed")[0].detail == {"step": first}
    assert story.killed.steps[0] == first + 1


def test_a_killed_run_goes_on_from_its_last_whole_checkpoint(story: Story) -> None:
    assert "ended from outside" in story.kill.message
    resumed = story.finished.of("resumed")[0].detail["step"]
    assert resumed in (2, 3)  # the kill may come before or after step 3 is saved
    assert story.finished.steps == list(range(int(resumed) + 1, 4))
    assert story.model.manifest["metrics"]["steps"] == 3


def test_a_finished_model_is_returned_as_it_is(story: Story) -> None:
    assert story.reused == msgspec.structs.replace(story.model, reused=True)
    assert not story.again.seen


@pytest.mark.parametrize("answer", ["    return 1", "\n\nA line.", "\tx", " "])
def test_the_prompt_is_read_as_it_is_served_whatever_the_answer_begins_with(tokenizer: Any, answer: str) -> None:
    """Blanks at the beginning of an answer would join the newline that ends the prompt."""
    plain, indented = (
        samples.encode(
            samples.Sample([samples.Message("user", "Why?")], [samples.Message("assistant", text)]), tokenizer
        )
        for text in ("Because.", answer)
    )
    shown = plain.labels.count(samples.IGNORED)
    assert indented.labels.count(samples.IGNORED) == shown
    assert indented.input_ids[:shown] == plain.input_ids[:shown]
    assert tokenizer.decode(indented.input_ids[shown:]) == f"{answer}<|im_end|>"


def test_the_manifest_says_all_that_made_the_model(story: Story, base_model: BaseModel) -> None:
    manifest = story.model.manifest
    assert (manifest["base_model"], manifest["base_sha256"]) == (base_model.name, base_models.WHEEL_SHA256)
    assert (manifest["dataset_version"], manifest["code_version"]) == ("d1", story.job.provenance.code_version)
    assert msgspec.convert(manifest["hyperparameters"], Recipe) == RECIPE
    assert (manifest["format"], manifest["file"]) == ("gguf", "model-q8_0.gguf")
    assert manifest["metrics"]["tokens"] > 0
    files = {path.relative_to(story.model.folder).as_posix() for path in story.model.folder.rglob("*.*")}
    assert files == {*manifest["sha256"], "manifest.json"}
    assert not list(story.model.folder.rglob("model.safetensors"))  # no float32 copy beside the GGUF


def test_the_exported_model_says_what_the_merged_model_says(story: Story, merged: Any, tokenizer: Any) -> None:
    messages = answer_messages("What do you keep, number 1?", AUTHOR, [])
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    encoded = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
    generated = merged.generate(**encoded, max_new_tokens=12, do_sample=False)
    expected = tokenizer.decode(generated[0, encoded["input_ids"].shape[1] :], skip_special_tokens=True)

    settings = read(EndpointSettings).model_copy(update={"timeout_seconds": 240.0})
    with model_process(story.model.folder, settings=settings) as client:
        completion = client.complete(messages, max_tokens=12, temperature=0.0)

    assert completion.text.strip() == expected.strip()
    assert completion.prompt_tokens == encoded["input_ids"].shape[1]  # llama.cpp tokenizes as the trainer did


@pytest.fixture(scope="module")
def questions() -> list[HeldOut]:
    """What the story's model was trained on, asked otherwise."""
    asked = (f"What is kept, number {number}?" for number in range(16))
    return [
        HeldOut(id=text, author=AUTHOR, instruction=text, prompt=answer_messages(text, AUTHOR, []), answer=ANSWER)
        for text in asked
    ]


@pytest.fixture(scope="module")
def surprise(
    story: Story, base_model: BaseModel, questions: list[HeldOut], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path | None], list[SampleLoss]]:
    """The losses of the base, with an adapter or without."""
    work = tmp_path_factory.mktemp("losses")

    @functools.cache
    def measure(adapter: Path | None) -> list[SampleLoss]:
        return losses.measure(questions, base=base_model.folder, adapter=adapter, work=work)

    return measure


def test_losses_are_those_of_a_plain_forward_pass_over_the_answer(
    story: Story, merged: Any, tokenizer: Any, questions: list[HeldOut], surprise: Callable
) -> None:
    import torch

    question, loss, of_base = questions[0], surprise(story.model.adapter)[0], surprise(None)[0]
    prompt = tokenizer.apply_chat_template(question.prompt, add_generation_prompt=True, tokenize=False)
    answer = tokenizer(ANSWER, add_special_tokens=False)["input_ids"]
    ids = torch.tensor([[*tokenizer(prompt, add_special_tokens=False)["input_ids"], *answer]])
    labels = torch.full_like(ids, samples.IGNORED)
    labels[0, -len(answer) :] = ids[0, -len(answer) :]
    with torch.inference_mode():
        mean = merged(input_ids=ids, labels=labels).loss.item()

    assert loss.tokens == len(answer)
    assert loss.nats == pytest.approx(mean * len(answer), rel=1e-3)
    assert loss.nats < of_base.nats  # it was trained on this very answer


def test_an_adapter_that_blew_up_is_refused_by_the_gate_and_the_good_one_is_not(
    story: Story, surprise: Callable, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    blown_up = Path(shutil.copytree(story.model.adapter, tmp_path / "adapter"))
    weights = blown_up / "adapter_model.safetensors"
    save_file({name: tensor * 100 for name, tensor in load_file(weights).items()}, weights)
    verdicts = {}
    for adapter in (story.model.adapter, blown_up):
        found = perplexities(PERPLEXITY, "base", surprise(adapter), surprise(None))
        scores = msgspec.structs.replace(NOTHING_MEASURED, comparisons=[found])
        verdicts[adapter] = gate(scores, margin=0.02).verdict
    assert verdicts == {story.model.adapter: "not worse", blown_up: "worse"}


def test_packed_samples_do_not_see_each_other(merged: Any, tokenizer: Any) -> None:
    import torch

    one, other = (tokenizer(text, return_tensors="pt")["input_ids"] for text in ("The weather is", ANSWER))
    packed = torch.cat([other, one], dim=1)
    positions = torch.cat([torch.arange(other.shape[1]), torch.arange(one.shape[1])])[None]
    with torch.inference_mode():
        alone = merged(input_ids=one).logits[0, -1]
        together = merged(input_ids=packed, position_ids=positions, use_cache=False).logits[0, -1]
    assert torch.allclose(alone, together, atol=1e-3)


@pytest.mark.soak
def test_the_converted_base_has_the_weights_that_transformers_reads_from_the_gguf(base_model: BaseModel) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    assert base_model.gguf is not None
    model = models.load_model(base_model.folder)
    theirs = load_gguf_checkpoint(str(base_model.gguf), return_tensors=True, model_to_load=model)["tensors"]
    ours = load_file(base_model.folder / "model.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name].float()) for name in ours)


@pytest.mark.parametrize(
    ("content", "reason"), [("", "no samples"), ('{"prompt": 1}\n', r"samples\.jsonl line 1 is not a training sample")]
)
def test_a_failed_run_gives_the_programs_reason(
    base_model: BaseModel, tmp_path: Path, content: str, reason: str
) -> None:
    (tmp_path / "samples.jsonl").write_text(content)
    job = TrainingJob(
        dataset_version=content, base=base_model, recipe=RECIPE, train=tmp_path / "samples.jsonl", save_steps=1
    )
    with pytest.raises(TrainingFailed, match=reason):
        LocalTrainer(tmp_path / "work").train(job)
    failure = tmp_path / "work" / job.name / "output" / "failure"
    assert re.search(reason, failure.read_text())


def test_a_training_run_that_comet_misses_is_kept_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from twin.training.program.experiment import experiment

    monkeypatch.setenv("COMET_API_KEY", "key")
    monkeypatch.setenv("COMET_URL_OVERRIDE", "http://127.0.0.1:9/clientlib/")
    provenance = TrainingJob(
        dataset_version="d1",
        base=base_models.BaseModel(name="b", folder=tmp_path, gguf=None, sha256="ab"),
        recipe=RECIPE,
        train=tmp_path / "none.jsonl",
    ).provenance
    with experiment(RECIPE, provenance, {"samples": 1}, tmp_path / "comet") as log:
        log({"loss": 1.0}, 1)
    assert list((tmp_path / "comet").glob("*.zip"))
