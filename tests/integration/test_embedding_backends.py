"""Every runtime of the packaged embedding model against sentence-transformers, over real passages; and what happens
when the fast one is missing, or its converted model is."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from twin.errors import SettingsError
from twin.features import chunking, embedding
from twin.features.backends import runtime
from twin.features.backends.reference import ReferenceEncoder
from twin.features.backends.runtime import RuntimeEncoder
from twin.records import CleanedDocument, document_id
from twin.settings import EmbeddingSettings, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROJECT = Path(__file__).resolve().parents[2]
CORPUS = PROJECT.parent / "shared" / "corpora" / "llm-engineers-handbook" / "articles.jsonl"
LEAST_MEAN, LEAST_WORST = 0.99, 0.98
PASSAGES = 40
QUESTIONS = ("What is an LLM Twin?", "how do I fine-tune a small model on one GPU", "RAG", "Who wrote about Qdrant?")


def load(cache: Path | None = None, changes: Mapping[str, str] = {}) -> embedding.SentenceEmbedder:
    return embedding.load(read(EmbeddingSettings).model_copy(update=dict(changes)), cache=cache)


def documents() -> list[tuple[str, str]]:
    """Titles and texts of the shared corpus, or of the handbook where that is absent."""
    if CORPUS.exists():
        rows = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
        return [(row["title"] or "", row["content"]) for row in rows]
    return [(path.stem, path.read_text("utf-8")) for path in sorted((PROJECT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def passages() -> list[str]:
    embedder, texts = load(), []
    for title, content in documents():
        document = CleanedDocument(
            id=document_id(title), url="u", source_id="s", author="a", title=title, content=content, raw_hash=""
        )
        texts += [chunk.embedding_text for chunk in chunking.split(document, embedder)]
    return [*(texts[index] for index in np.random.default_rng(7).permutation(len(texts))[:PASSAGES]), *QUESTIONS]


@pytest.fixture(scope="module")
def reference(passages: list[str]) -> np.ndarray:
    return load(changes={"runtime": "sentence-transformers"}).embed(passages)


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one conversion that is used here by default. Tests do not change it."""
    folder = tmp_path_factory.mktemp("converted")
    load(folder).warm_up()
    return folder


@pytest.fixture(scope="module")
def kept(converted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that tests share and add to, so that a conversion is made once."""
    return shutil.copytree(converted, tmp_path_factory.mktemp("kept"), dirs_exist_ok=True)


@pytest.fixture
def own(converted: Path, tmp_path: Path) -> Path:
    """A folder that a test may do anything to."""
    return shutil.copytree(converted, tmp_path / "own")


@pytest.mark.parametrize(
    "changes",
    [
        {"runtime": "onnx", "precision": "int8"},
        {"runtime": "onnx", "precision": "fp32"},
        {},
    ],
    ids=["onnx int8", "onnx fp32", "as chosen here"],
)
def test_every_runtime_keeps_the_vectors_of_sentence_transformers(
    changes: dict[str, str], kept: Path, passages: list[str], reference: np.ndarray
):
    vectors = load(kept, changes).embed(passages)
    cosines = (vectors * reference).sum(axis=1)
    assert (vectors.shape, vectors.dtype) == ((len(passages), 384), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(passages)), abs=1e-5)
    assert cosines.mean() >= LEAST_MEAN
    assert cosines.min() >= LEAST_WORST
    if changes.get("precision") != "int8" and changes:
        assert cosines.min() >= 0.9999, "in float32 only the order of additions differs"


def test_an_index_built_by_one_runtime_can_be_searched_with_another(
    kept: Path, passages: list[str], reference: np.ndarray
):
    """Questions embedded here find in float32 vectors what float32 questions find there."""
    questions = load(kept).embed([text[:100] for text in passages])
    same = load(kept, {"precision": "fp32"}).embed([text[:100] for text in passages])
    ours, theirs = (vectors @ reference.T for vectors in (questions, same))
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() >= 0.95
    assert np.abs(ours - theirs).max() < 0.08


def test_without_onnx_runtime_the_model_runs_in_sentence_transformers_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, passages: list[str], reference: np.ndarray
):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    embedder = load()
    vectors = embedder.embed(passages[-4:])
    assert isinstance(embedder.encoder, ReferenceEncoder)
    assert "Embedding in sentence-transformers" in caplog.text
    assert (vectors * reference[-4:]).sum(axis=1).min() >= 0.9999


def test_a_runtime_that_there_is_not_is_refused_with_those_that_there_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMBEDDING_RUNTIME", "torch")
    with pytest.raises(SettingsError, match=r"EMBEDDING_RUNTIME: .*'auto', 'onnx' or 'sentence-transformers'"):
        load()


def test_a_runtime_that_is_asked_for_by_name_does_not_give_way_to_another(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SettingsError, match="EMBEDDING_RUNTIME=onnx"):
        load(changes={"runtime": "onnx"}).warm_up()


def test_the_converted_model_is_made_once(own: Path):
    files = {path: path.stat().st_mtime_ns for path in own.iterdir()}
    again = load(own)
    again.warm_up()
    assert isinstance(again.encoder, RuntimeEncoder)
    assert len(files) == 2
    assert files == {path: path.stat().st_mtime_ns for path in own.iterdir()}


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1_000_000])


def altered(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"\x55" * 64)


def gone(path: Path) -> None:
    path.unlink()


def without_record(path: Path) -> None:
    path.with_suffix(".json").write_text("{")


@pytest.mark.parametrize("damage", [cut_short, altered, gone, without_record])
def test_a_damaged_converted_model_is_made_again(damage: Any, own: Path, passages: list[str]):
    before = load(own).embed(passages[-4:])
    (path,) = own.glob("*.onnx")
    whole = path.read_bytes()
    damage(path)
    embedder = load(own)
    assert np.array_equal(embedder.embed(passages[-4:]), before)
    assert isinstance(embedder.encoder, RuntimeEncoder)
    assert path.read_bytes() == whole


def rewrite_record(path: Path, **changes: Any) -> None:
    record = json.loads(path.with_suffix(".json").read_bytes())
    path.with_suffix(".json").write_bytes(msgspec.json.encode(record | changes))


def test_a_graph_that_onnx_runtime_cannot_load_leaves_sentence_transformers(
    own: Path, caplog: pytest.LogCaptureFixture, passages: list[str], reference: np.ndarray
):
    (path,) = own.glob("*.onnx")
    path.write_bytes(b"no graph")
    rewrite_record(path, sha256=hashlib.sha256(b"no graph").hexdigest())
    embedder = load(own)
    assert (embedder.embed(passages[-4:]) * reference[-4:]).sum(axis=1).min() >= 0.9999
    assert isinstance(embedder.encoder, ReferenceEncoder)
    assert "cannot load the model" in caplog.text


def test_eight_bits_that_change_the_vectors_too_much_are_not_used(
    kept: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(runtime, "LEAST_WORST", 0.9999)
    embedder = load(kept, {"precision": "int8"})
    with caplog.at_level(logging.WARNING):
        embedder.warm_up()
    assert embedder.encoder.description.endswith("fp32")
    assert "runs in float32" in caplog.text


def test_a_cache_folder_that_cannot_be_written_is_no_reason_not_to_embed(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    embedder = load(tmp_path / "file" / "embedding")
    embedder.warm_up()
    assert isinstance(embedder.encoder, RuntimeEncoder)


def test_threads_get_the_vectors_of_their_own_texts(kept: Path, passages: list[str]):
    embedder = load(kept)
    whole = embedder.embed(passages)

    def ask(number: int) -> bool:
        mine: Sequence[str] = passages[number : number + 1 + number % 3]
        return bool(np.abs(embedder.embed(mine) - whole[number : number + len(mine)]).max() < 1e-5)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(len(passages) - 3)))


def test_a_repeated_question_has_a_vector_of_its_own_to_change(kept: Path):
    embedder = load(kept)
    first = embedder.embed(["What is a twin?"])
    first[:] = 0
    second = embedder.embed(["What is a twin?"])
    assert np.linalg.norm(second) == pytest.approx(1.0, abs=1e-5)
