"""Loading a base model's folder for computation on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.errors import TrainingFailed

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["load_model", "load_tokenizer"]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer with its chat template.

    Raises:
        TrainingFailed: There is none, or it has no chat template.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer is None or not tokenizer.chat_template:
        raise TrainingFailed(f"{folder} has no tokenizer with a chat template. Use an instruction-tuned base model.")
    return tokenizer


def load_model(folder: Path, seed: int = 0) -> PreTrainedModel:
    """The model: bfloat16 on a GPU that has it, float32 elsewhere. Seeds every generator first."""
    import torch
    from transformers import AutoModelForCausalLM, set_seed

    set_seed(seed)
    on_gpu = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    dtype = torch.bfloat16 if on_gpu else torch.float32
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
