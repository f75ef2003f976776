"""The packaged embedding model, really loaded, against sentence-transformers as the reference."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from twin.errors import ArtifactError
from twin.features import embedding
from twin.features.backends.reference import ReferenceEncoder
from twin.features.backends.runtime import RuntimeEncoder
from twin.settings import EmbeddingSettings, read

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [
    "What is an LLM Twin?",
    "Ein Satz auf Deutsch, mit Umlauten: äöü. 日本語も少し。",
    "```python\nprint('code')\n```",
    " ".join(f"word{number}" for number in range(70)),
    "",
    "x" * 90,
    "Retrieval-augmented generation looks passages up before it answers. " * 15,
]


@pytest.fixture(scope="module")
def embedder() -> embedding.SentenceEmbedder:
    return embedding.load(read(EmbeddingSettings))


def test_vectors_are_those_of_sentence_transformers(embedder: embedding.SentenceEmbedder):
    vectors = embedder.embed(TEXTS)
    reference = ReferenceEncoder(embedder.folder).encode(TEXTS)
    assert isinstance(embedder.encoder, RuntimeEncoder)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), 384), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    assert (vectors * reference).sum(axis=1).min() >= 0.98
    assert (vectors * reference).sum(axis=1).mean() >= 0.99


def test_a_text_has_the_same_vector_alone_and_in_a_batch_in_any_order(embedder: embedding.SentenceEmbedder):
    together = embedder.embed(TEXTS)
    backwards = embedder.embed(TEXTS[::-1])[::-1]
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(together - backwards).max() < 1e-5


def test_no_texts_give_no_vectors(embedder: embedding.SentenceEmbedder):
    assert embedder.embed([]).shape == (0, 384)


def test_an_overlong_word_is_seen_by_the_model(embedder: embedding.SentenceEmbedder):
    first, second = embedder.embed(["abc" * 60, "xyz" * 60])
    assert float(first @ second) < 0.999


@pytest.fixture
def copied_model(embedder: embedding.SentenceEmbedder, tmp_path: Path) -> Path:
    return shutil.copytree(embedder.folder, tmp_path / "minilm")


def test_altered_weights_are_refused(copied_model: Path):
    with (copied_model / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"\x55")
    altered = embedding.SentenceEmbedder(copied_model, sha256=embedding.DEFAULT_SHA256)
    with pytest.raises(ArtifactError, match="make install"):
        altered.embed(["text"])


def test_a_model_in_a_folder_is_named_for_its_weights(copied_model: Path):
    settings = read(EmbeddingSettings).model_copy(update={"model": str(copied_model)})
    name = embedding.load(settings).name
    with (copied_model / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"\x55")
    assert name.startswith("minilm@")
    assert embedding.load(settings).name != name


def test_first_token_pooling_is_read_from_the_model(copied_model: Path, embedder: embedding.SentenceEmbedder):
    pooling = {"word_embedding_dimension": 384, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (copied_model / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    first_token = embedding.SentenceEmbedder(copied_model)
    reference = ReferenceEncoder(copied_model).encode(TEXTS)
    vectors = first_token.embed(TEXTS)
    assert (vectors * reference).sum(axis=1).min() >= 0.98
    assert np.abs(vectors - embedder.embed(TEXTS)).max() > 0.01


def test_a_model_that_is_not_plain_bert_runs_in_sentence_transformers(copied_model: Path):
    config = json.loads((copied_model / "config.json").read_text())
    (copied_model / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    assert isinstance(embedding.SentenceEmbedder(copied_model).encoder, ReferenceEncoder)


def test_embedding_imports_neither_torch_nor_transformers_nor_training_code():
    program = (
        "import sys; from twin.features import embedding; from twin.settings import EmbeddingSettings, read;"
        "embedding.load(read(EmbeddingSettings)).warm_up();"
        "heavy = ('torch', 'transformers', 'sentence_transformers', 'trl', 'peft', 'datasets', 'sklearn');"
        "print([name for name in heavy if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


@pytest.mark.parametrize("text", ["-" * 3_000_000, "a" * 3_000_000, "漢" * 1_000_000, "e\u0301" * 1_000_000])
def test_one_word_of_megabytes_is_counted_in_little_memory(embedder: embedding.SentenceEmbedder, text: str) -> None:
    """Each token keeps some 400 bytes: a rule across three million columns took 2.4 GB."""
    program = (
        "import resource, sys\n"
        "from twin.features.embedding import load\n"
        "from twin.settings import EmbeddingSettings, read\n"
        "embedder = load(read(EmbeddingSettings))\n"
        "embedder.count_tokens('warm')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "text = eval(sys.argv[1])\n"
        "count = embedder.count_tokens(text)\n"
        "print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    described = f"{text[: len(set(text))]!r} * {len(text) // len(set(text))}"
    done = subprocess.run([sys.executable, "-c", program, described], capture_output=True, text=True, check=True)
    count, megabytes = map(int, done.stdout.split())
    assert count - 2 == sum(embedder.count_tokens(text[at : at + 1_000]) - 2 for at in range(0, len(text), 1_000))
    assert megabytes < 100
