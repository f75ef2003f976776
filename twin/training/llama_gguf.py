"""llama-architecture models between their two file forms: GGUF (llama.cpp) and a Hugging Face folder.

The forms differ in three ways. Tensors have other names. Rotary embeddings pair other rows of the query and key
projections: Hugging Face pairs row i with row i + d/2 of a head, GGUF pairs neighbours, so those rows are permuted.
And the tokenizer is metadata in one, JSON files in the other.

Done here directly rather than by transformers' own GGUF loading, which takes half a minute for 135M parameters, gives
a tokenizer that lost its digit split, and a model that cannot be saved again.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from twin.errors import ArtifactError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from gguf import GGUFReader, GGUFWriter

__all__ = ["VOCABULARY_FILE", "convert", "export", "from_rotary_pairs", "to_rotary_pairs"]

VOCABULARY_FILE = "vocabulary.gguf"
"""In a converted folder: the source's metadata (architecture, tokenizer, chat template) without its tensors."""

BLOCK_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
BLOCK_NAMES_BACK = {theirs: ours for ours, theirs in BLOCK_NAMES.items()}
TOP_NAMES_BACK = {theirs: ours for ours, theirs in TOP_NAMES.items()}

CONTROL_TOKEN = 3
"""`tokenizer.ggml.token_type` of tokens that never come from text."""

REWRITTEN_METADATA = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")
"""Metadata that a writer sets itself and must not copy."""


def convert(gguf: Path, folder: Path) -> None:
    """Writes a GGUF as a Hugging Face folder (float32 safetensors, config, tokenizer), with its metadata beside it.

    Raises:
        SettingsError: The GGUF is not a llama-architecture model with a tokenizer that we know.
    """
    from gguf import GGUFReader
    from safetensors.numpy import save_file

    try:
        reader = GGUFReader(gguf)
    except (ValueError, IndexError) as error:
        raise SettingsError(f"{gguf} is not a whole GGUF file: {error}. Set BASE_MODEL to another.") from error
    metadata = _metadata(reader)
    if metadata.get("general.architecture") != "llama":
        raise SettingsError(
            f"{gguf} holds a {metadata.get('general.architecture')!r} model; only the llama architecture converts. "
            "Set BASE_MODEL to a Hugging Face folder of this model instead."
        )
    tokenizer = _tokenizer_json(gguf, metadata)
    folder.mkdir(parents=True, exist_ok=True)
    weights = dict(_hugging_face_tensors(reader, metadata))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _write_json(folder / "config.json", _config(metadata, tied="lm_head.weight" not in weights))
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(metadata))
    (folder / "chat_template.jinja").write_text(metadata["tokenizer.chat_template"], encoding="utf-8")
    _write_metadata(reader, folder / VOCABULARY_FILE)


def export(weights: Iterable[tuple[str, np.ndarray]], vocabulary: Path, target: Path) -> None:
    """Writes llama weights under their Hugging Face names as a Q8_0 GGUF; matrices are quantized, norms stay float32.

    `vocabulary` is the `VOCABULARY_FILE` of the base model. `target` appears whole or not at all.

    Raises:
        ArtifactError: A weight has a name that the llama architecture does not know.
    """
    from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, LlamaFileType
    from gguf.quants import quantize

    source = GGUFReader(vocabulary)
    metadata = _metadata(source)
    heads, kv_heads = metadata["llama.attention.head_count"], metadata["llama.attention.head_count_kv"]
    partial = target.with_name(target.name + ".partial")
    writer = GGUFWriter(partial, "llama")
    _copy_metadata(source, writer)
    writer.add_file_type(LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(2)
    for name, tensor in weights:
        gguf_name = _gguf_name(name)
        if ".attn_q." in gguf_name or ".attn_k." in gguf_name:
            tensor = to_rotary_pairs(tensor, heads if ".attn_q." in gguf_name else kv_heads)
        if tensor.ndim == 1:
            writer.add_tensor(gguf_name, tensor.astype("float32"))
        else:
            writer.add_tensor(
                gguf_name, quantize(tensor, GGMLQuantizationType.Q8_0), raw_dtype=GGMLQuantizationType.Q8_0
            )
    _finish(writer)
    partial.replace(target)


def to_rotary_pairs(rows: np.ndarray, heads: int) -> np.ndarray:
    """Query or key rows from Hugging Face's order (halves of a head) to GGUF's (neighbours). Shape is kept."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def from_rotary_pairs(rows: np.ndarray, heads: int) -> np.ndarray:
    """The inverse of `to_rotary_pairs`."""
    pairs = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def _metadata(reader: GGUFReader) -> dict[str, Any]:
    return {name: field.contents() for name, field in reader.fields.items()}


def _hugging_face_tensors(reader: GGUFReader, metadata: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    import numpy as np
    from gguf.quants import dequantize

    heads, kv_heads = metadata["llama.attention.head_count"], metadata["llama.attention.head_count_kv"]
    for tensor in reader.tensors:
        weight = dequantize(tensor.data, tensor.tensor_type)
        if ".attn_q." in tensor.name or ".attn_k." in tensor.name:
            weight = from_rotary_pairs(weight, heads if ".attn_q." in tensor.name else kv_heads)
        yield _hugging_face_name(tensor.name), np.ascontiguousarray(weight, dtype=np.float32)


def _hugging_face_name(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    if match := re.fullmatch(r"blk\.(\d+)\.(\w+)", stem):
        block, part = match.groups()
        if part in BLOCK_NAMES:
            return f"model.layers.{block}.{BLOCK_NAMES[part]}.{suffix}"
    if stem in TOP_NAMES:
        return f"{TOP_NAMES[stem]}.{suffix}"
    raise SettingsError(f"The GGUF has a tensor {name!r} that plain llama models do not have; it cannot be converted.")


def _gguf_name(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    if match := re.fullmatch(r"model\.layers\.(\d+)\.(.+)", stem):
        block, part = match.groups()
        if part in BLOCK_NAMES_BACK:
            return f"blk.{block}.{BLOCK_NAMES_BACK[part]}.{suffix}"
    if stem in TOP_NAMES_BACK:
        return f"{TOP_NAMES_BACK[stem]}.{suffix}"
    raise ArtifactError(f"The weight {name!r} has no place in a llama GGUF; the model cannot be exported to GGUF.")


def _config(metadata: dict[str, Any], *, tied: bool) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(metadata["tokenizer.ggml.tokens"]),
        "hidden_size": metadata["llama.embedding_length"],
        "intermediate_size": metadata["llama.feed_forward_length"],
        "num_hidden_layers": metadata["llama.block_count"],
        "num_attention_heads": metadata["llama.attention.head_count"],
        "num_key_value_heads": metadata["llama.attention.head_count_kv"],
        "head_dim": metadata["llama.rope.dimension_count"],
        "max_position_embeddings": metadata["llama.context_length"],
        "rope_parameters": {"rope_type": "default", "rope_theta": metadata["llama.rope.freq_base"]},
        "rms_norm_eps": metadata["llama.attention.layer_norm_rms_epsilon"],
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": tied,
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
        "pad_token_id": metadata["tokenizer.ggml.padding_token_id"],
        "dtype": "float32",
    }


def _tokenizer_json(gguf: Path, metadata: dict[str, Any]) -> str:
    """The byte-level BPE tokenizer, with the digit split that llama.cpp applies for `tokenizer.ggml.pre = smollm`."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    kind = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre")
    if kind != ("gpt2", "smollm"):
        raise SettingsError(
            f"{gguf} has a tokenizer {kind} that is not known here; only ('gpt2', 'smollm') converts. "
            "Set BASE_MODEL to a Hugging Face folder of this model instead."
        )
    tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ", 1)) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer.to_str()


def _tokenizer_config(metadata: dict[str, Any]) -> dict[str, Any]:
    tokens = metadata["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[metadata["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[metadata["tokenizer.ggml.eos_token_id"]],
        "unk_token": tokens[metadata["tokenizer.ggml.unknown_token_id"]],
        "pad_token": tokens[metadata["tokenizer.ggml.padding_token_id"]],
        "model_max_length": metadata["llama.context_length"],
        "clean_up_tokenization_spaces": False,
    }


def _write_metadata(reader: GGUFReader, target: Path) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(target, "llama")
    _copy_metadata(reader, writer)
    _finish(writer)


def _copy_metadata(reader: GGUFReader, writer: GGUFWriter) -> None:
    for name, field in reader.fields.items():
        if not name.startswith(REWRITTEN_METADATA):
            inner = field.types[1] if len(field.types) > 1 else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)


def _finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
