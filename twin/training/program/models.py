"""Loading a base model's folder for computation on this machine."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from twin.errors import TrainingFailed

if TYPE_CHECKING:
    from pathlib import Path

    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from twin.training.recipe import Recipe

__all__ = ["adapter_config", "load_model", "load_tokenizer", "with_adapters"]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer with its chat template.

    Raises:
        TrainingFailed: There is none, or it has no chat template.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise TrainingFailed(f"{folder} has no tokenizer: {error}. Fetch or copy the base model again.") from error
    if tokenizer is None or not tokenizer.chat_template:
        raise TrainingFailed(f"{folder} has no tokenizer with a chat template. Use an instruction-tuned base model.")
    return tokenizer


def load_model(folder: Path, seed: int = 0, quantization: str = "none") -> PreTrainedModel:
    """The model: bfloat16 on a GPU that has it, float32 elsewhere. Seeds every generator first.

    `nf4` holds the weights in 4 bits (Dettmers et al. 2023, arXiv:2305.14314); on a GPU attention is FlashAttention's
    where that is installed.

    Raises:
        TrainingFailed: The folder holds no whole model, or this machine cannot quantize.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig, set_seed

    set_seed(seed)
    on_gpu = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    more: dict[str, Any] = {"dtype": torch.bfloat16 if on_gpu else torch.float32}
    if on_gpu and importlib.util.find_spec("flash_attn"):
        more["attn_implementation"] = "flash_attention_2"
    if quantization == "nf4":
        _require_bitsandbytes(on_gpu=on_gpu)
        more["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    try:
        return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, **more)
    except (OSError, ValueError, SafetensorError) as error:
        raise TrainingFailed(f"{folder} holds no whole model: {error}. Fetch or copy it again.") from error


def adapter_config(recipe: Recipe) -> LoraConfig:
    """The adapters that a recipe trains: on every linear layer but the output layer."""
    from peft import LoraConfig

    return LoraConfig(
        r=recipe.lora_r,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def with_adapters(model: PreTrainedModel, recipe: Recipe, weights: dict[str, Any]) -> PeftModel:
    """The model with a recipe's adapters, which have these weights and can be trained further."""
    from peft import get_peft_model, set_peft_model_state_dict

    adapted = get_peft_model(model, adapter_config(recipe))
    set_peft_model_state_dict(adapted, weights)
    return adapted


def _require_bitsandbytes(*, on_gpu: bool) -> None:
    if not on_gpu or not importlib.util.find_spec("bitsandbytes"):
        raise TrainingFailed(
            "The recipe asks for quantization: nf4, which needs a GPU with bfloat16 and the package bitsandbytes "
            f"({'the package is missing' if on_gpu else 'there is no such GPU'}). Use a recipe with quantization: none."
        )
