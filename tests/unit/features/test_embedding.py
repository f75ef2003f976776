"""What the embedder knows before its model is loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twin.errors import SettingsError
from twin.features import embedding
from twin.settings import EmbeddingSettings, read

if TYPE_CHECKING:
    from pathlib import Path

EMBEDDER = embedding.load(read(EmbeddingSettings))


def encoded(text: str) -> int:
    """The tokenizer's own count of a whole text."""
    return EMBEDDER._encoded_length(text)


def test_the_packaged_model_is_all_minilm():
    assert (EMBEDDER.name, EMBEDDER.dimensions, EMBEDDER.max_tokens) == (embedding.DEFAULT_MODEL, 384, 256)


@settings(deadline=None)
@given(st.text())
@example("Hello,   wörld!\n\n\ttabs [SEP] 日本語 x\x1cy e\u0301 ﬁ")
@example("a" * 99 + " " + "b" * 350)
def test_words_counted_once_each_add_up_to_the_tokenizer_s_count(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert EMBEDDER.count_tokens(text) == encoded(text)


def test_a_word_too_long_for_the_tokenizer_is_counted_in_pieces():
    assert EMBEDDER.count_tokens("x" * 10_000) > 1_000


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=3_000))
@example("word " * 5_000)
@example("x" * 10_000)
def test_a_truncated_question_fits_and_is_a_beginning(text):
    shortened = EMBEDDER.truncate(text)
    assert text.startswith(shortened)
    assert EMBEDDER.count_tokens(shortened) <= EMBEDDER.max_tokens


def test_truncating_keeps_as_much_as_fits():
    assert EMBEDDER.count_tokens(EMBEDDER.truncate("word " * 5_000)) == EMBEDDER.max_tokens


def test_a_text_that_fits_is_not_truncated():
    assert EMBEDDER.truncate("What is an LLM Twin?") == "What is an LLM Twin?"


def test_a_text_too_long_to_embed_is_refused_before_the_model_loads():
    fresh = embedding.load(read(EmbeddingSettings))
    with pytest.raises(ValueError, match="does not fit"):
        fresh.embed(["short", "word " * 300])
    assert fresh._encoder is None


def test_an_unknown_model_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SettingsError, match="EMBEDDING_MODEL=no-such/model"):
        embedding.load(read(EmbeddingSettings).model_copy(update={"model": "no-such/model"}))


@pytest.mark.parametrize("weights", ["model.safetensors", "2_Dense/model.safetensors", "pytorch_model.bin"])
def test_models_that_differ_in_any_weights_have_different_names(tmp_path: Path, weights: str):
    def name(content: bytes) -> str:
        (tmp_path / weights).parent.mkdir(exist_ok=True)
        for file in ("config.json", "tokenizer.json"):
            (tmp_path / file).write_text("{}")
        (tmp_path / weights).write_bytes(content)
        return embedding.load(read(EmbeddingSettings).model_copy(update={"model": str(tmp_path)})).name

    assert name(b"one") == name(b"one") != name(b"another")


def test_a_folder_without_a_tokenizer_says_so(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"tokenizer\.json"):
        embedding.load(read(EmbeddingSettings).model_copy(update={"model": str(tmp_path)}))


def test_a_missing_wheel_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedding, "DEFAULT_PACKAGE", "no_such_package_here")
    with pytest.raises(SettingsError, match="make install"):
        embedding.load(read(EmbeddingSettings))


def test_counting_tokens_imports_neither_torch_nor_transformers():
    program = (
        "import sys; from twin.features import embedding; from twin.settings import EmbeddingSettings, read;"
        "embedding.load(read(EmbeddingSettings)).count_tokens('hello');"
        "import twin.features.chunking, twin.features.index;"
        "print([name for name in ('torch', 'transformers', 'qdrant_client', 'qdrant_edge') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
