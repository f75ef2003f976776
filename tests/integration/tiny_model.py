"""A model so small that a training run takes a second, with data to train it on."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING, Any

from twin.training.program import models, samples
from twin.training.program.container import Container
from twin.training.program.pairs import Pair
from twin.training.program.samples import EncodedSample, Message, Sample
from twin.training.recipe import Provenance, Recipe, to_hyperparameters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import msgspec

PROVENANCE = Provenance(base_model="tiny", base_sha256="ab", dataset_version="d1", code_version="1")
SHORT = Recipe(max_steps=4, max_length=96, learning_rate=1e-2, eval_every=0, lora_r=4, lora_alpha=8)
WORDS = [f"word{number}" for number in range(60)]


def make(folder: Path) -> Path:
    """A llama of two layers with random weights, over a vocabulary of sixty words, in Hugging Face's format."""
    import torch
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers import models as token_models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<unk>", "<end>", "system", "user", "assistant", *WORDS]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(token_models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>")
    fast.chat_template = (
        "{% for message in messages %}{{ message.role }} {{ message.content }} <end> {% endfor %}"
        "{% if add_generation_prompt %}assistant {% endif %}"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def made_up(count: int, seed: int = 0, words: int = 12) -> list[Sample]:
    """Samples of random words."""
    draw = random.Random(seed)
    return [Sample([_said(draw, draw.randint(3, 20))], [_said(draw, words, "assistant")]) for _ in range(count)]


def made_up_pairs(count: int, seed: int = 3) -> list[Pair]:
    """Pairs of which no two answers are the same."""
    draw = random.Random(seed)
    return [
        Pair([_said(draw, 6)], [_said(draw, draw.randint(4, 12), "assistant")], [_said(draw, 8, "assistant")])
        for _ in range(count)
    ]


def encoded(folder: Path, given: list[Sample], max_length: int = 96) -> list[EncodedSample]:
    return samples.fitting(given, models.load_tokenizer(folder), max_length).samples


def adapters(model: Any) -> dict[str, Any]:
    return {name: weight for name, weight in model.state_dict().items() if "lora_" in name}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two models have the same adapters, within the tolerance of floating point."""
    import torch

    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], atol=1e-4) for name in one)


def container(
    root: Path, base: Path, given: list[Sample], recipe: Recipe = SHORT, pairs: Sequence[Pair] = ()
) -> Container:
    """The job as the platform lays it out."""
    import msgspec

    config = root / "input" / "config"
    config.mkdir(parents=True)
    _lines(root / "input" / "data" / "train", given)
    if pairs:
        _lines(root / "input" / "data" / "preference", pairs)
    provenance = msgspec.structs.replace(PROVENANCE, preference_version="p1" if pairs else "")
    (config / "hyperparameters.json").write_text(json.dumps(to_hyperparameters(recipe, provenance)))
    shutil.copytree(base, root / "input" / "data" / "base")
    return Container(root)


def _lines(channel: Path, rows: Sequence[msgspec.Struct]) -> None:
    import msgspec

    channel.mkdir(parents=True)
    (channel / "samples.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


def _said(draw: random.Random, words: int, role: str = "user") -> Message:
    return Message(role, " ".join(draw.choices(WORDS, k=words)))
