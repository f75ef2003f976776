"""The two file forms of llama models, on a model of two layers made here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter, TokenType
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from twin.errors import ArtifactError, SettingsError
from twin.training import llama_gguf

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN, MIDDLE, HEADS, KV_HEADS, LAYERS = 64, 96, 4, 2, 2
BYTES = [chr(i) for i in range(ord("!"), ord("~") + 1)] + ["Ġ", "Ċ"]
TOKENS = ["<|end|>", "<|start|>", "<|stop|>", *BYTES, "th", "20"]
MERGES = ["t h", "2 0"]
TEMPLATE = "{% for m in messages %}<|start|>{{ m['content'] }}<|stop|>{% endfor %}"


def write_vocabulary(path: Path, *, architecture: str = "llama", pre: str = "smollm") -> Path:
    writer = GGUFWriter(path, architecture)
    writer.add_name("Tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(MIDDLE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(TOKENS)
    writer.add_token_types([TokenType.CONTROL] * 3 + [TokenType.NORMAL] * (len(TOKENS) - 3))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def random_weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    head = HIDDEN // HEADS
    shapes = {"model.embed_tokens": (len(TOKENS), HIDDEN), "model.norm": (HIDDEN,)}
    for layer in range(LAYERS):
        block = f"model.layers.{layer}."
        shapes |= {
            f"{block}self_attn.q_proj": (HIDDEN, HIDDEN),
            f"{block}self_attn.k_proj": (KV_HEADS * head, HIDDEN),
            f"{block}self_attn.v_proj": (KV_HEADS * head, HIDDEN),
            f"{block}self_attn.o_proj": (HIDDEN, HIDDEN),
            f"{block}mlp.gate_proj": (MIDDLE, HIDDEN),
            f"{block}mlp.up_proj": (MIDDLE, HIDDEN),
            f"{block}mlp.down_proj": (HIDDEN, MIDDLE),
            f"{block}input_layernorm": (HIDDEN,),
            f"{block}post_attention_layernorm": (HIDDEN,),
        }
    return {f"{name}.weight": random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    return write_vocabulary(tmp_path / "vocabulary.gguf")


@given(heads=st.integers(1, 6), half=st.integers(1, 5), columns=st.integers(1, 3))
def test_the_rotary_permutations_undo_each_other(heads: int, half: int, columns: int) -> None:
    rows = np.arange(heads * half * 2 * columns).reshape(heads * half * 2, columns)
    assert (llama_gguf.from_rotary_pairs(llama_gguf.to_rotary_pairs(rows, heads), heads) == rows).all()


def test_rotary_pairs_are_neighbours_in_gguf_and_halves_apart_in_hugging_face() -> None:
    assert llama_gguf.to_rotary_pairs(np.arange(8), heads=2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_weights_come_back_from_gguf_up_to_the_rounding_of_eight_bits(vocabulary: Path, tmp_path: Path) -> None:
    weights = random_weights()
    llama_gguf.export(weights.items(), vocabulary, tmp_path / "model.gguf")
    llama_gguf.convert(tmp_path / "model.gguf", tmp_path / "folder")

    back = load_file(tmp_path / "folder" / "model.safetensors")

    assert back.keys() == weights.keys()
    for name, weight in weights.items():
        step = np.abs(weight).max() / 127 if weight.ndim > 1 else 0
        assert np.abs(back[name] - weight).max() <= step, name


def test_an_exported_model_keeps_the_base_models_metadata(vocabulary: Path, tmp_path: Path) -> None:
    llama_gguf.export(random_weights().items(), vocabulary, tmp_path / "model.gguf")

    def facts(path: Path) -> dict[str, object]:
        fields = GGUFReader(path).fields.items()
        return {name: field.contents() for name, field in fields if name.startswith(("llama.", "tokenizer."))}

    assert facts(tmp_path / "model.gguf") == facts(vocabulary)
    assert not (tmp_path / "model.gguf.partial").exists()


def test_the_converted_tokenizer_splits_digits_and_keeps_control_tokens_whole(vocabulary: Path, tmp_path: Path) -> None:
    llama_gguf.export(random_weights().items(), vocabulary, tmp_path / "model.gguf")
    llama_gguf.convert(tmp_path / "model.gguf", tmp_path / "folder")

    tokenizer = Tokenizer.from_file(str(tmp_path / "folder" / "tokenizer.json"))

    assert tokenizer.encode("the 20<|stop|>").tokens == ["th", "e", "Ġ", "2", "0", "<|stop|>"]
    assert (tmp_path / "folder" / "chat_template.jinja").read_text() == TEMPLATE
    config = json.loads((tmp_path / "folder" / "config.json").read_text())
    assert config["tie_word_embeddings"] is True
    assert config["vocab_size"] == len(TOKENS)


def test_a_weight_without_a_place_in_llama_is_refused(vocabulary: Path, tmp_path: Path) -> None:
    weights = {"model.layers.0.self_attn.q_norm.weight": np.ones(16, dtype=np.float32)}
    with pytest.raises(ArtifactError, match=r"q_norm.*has no place"):
        llama_gguf.export(weights.items(), vocabulary, tmp_path / "model.gguf")
    assert not (tmp_path / "model.gguf").exists()


@pytest.mark.parametrize(
    ("change", "reason"), [({"architecture": "qwen2"}, "only the llama architecture"), ({"pre": "llama3"}, "tokenizer")]
)
def test_other_models_are_refused_with_advice(change: dict[str, str], reason: str, tmp_path: Path) -> None:
    gguf = write_vocabulary(tmp_path / "other.gguf", **change)
    with pytest.raises(SettingsError, match=reason) as refusal:
        llama_gguf.convert(gguf, tmp_path / "folder")
    assert "BASE_MODEL" in str(refusal.value)
