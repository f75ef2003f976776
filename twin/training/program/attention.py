"""Attention in packed sequences on a CPU: each sample by itself.

torch has no kernel for packed sequences on a CPU. transformers then masks what a sample must not see, and the kernel
computes it all the same; with three samples in a sequence five sixths of that work is thrown away.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["use_packed_attention"]

NAME = "twin_packed"
FULL = "full_attention"
PLAIN = "sdpa"
"""Only a model that attends in this way, with nothing of its own added, is changed."""


def use_packed_attention(model: PreTrainedModel) -> bool:
    """Makes the model attend sample by sample; False where it attends in a way of its own, and is left as it is."""
    from transformers import AttentionInterface

    config: Any = model.config
    kinds = set(getattr(config, "layer_types", None) or [FULL])
    windowed = getattr(config, "sliding_window", None) is not None
    if config._attn_implementation != PLAIN or windowed or kinds != {FULL}:
        return False
    AttentionInterface.register(NAME, _attend)
    model.set_attn_implementation(NAME)
    return True


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each sample; (1, heads, tokens, width) in, (1, tokens, heads, width) out."""
    import torch

    bounds = [0, query.shape[2]] if cu_seq_lens_q is None else cu_seq_lens_q.tolist()
    parts = [
        torch.nn.functional.scaled_dot_product_attention(
            query[:, :, start:end],
            key[:, :, start:end],
            value[:, :, start:end],
            dropout_p=dropout,
            is_causal=True,
            scale=scaling,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        for start, end in pairwise(bounds)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None
