"""The loss of a language model where there is a label, and nothing computed where there is none.

In a small model with a large vocabulary the output layer costs a quarter of what all the others cost together, and many
tokens of a training sequence are prompt. On a GPU, TRL's own fused loss skips them already; on a CPU it scores every
position, keeps statistics that nobody reads here, and computes the logits once more to go back. So on a CPU the loss
and its gradient come from here, in one pass over the labelled positions; the output layer itself is frozen.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

from twin.training.program.attention import use_packed_attention
from twin.training.program.samples import IGNORED

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel
    from trl import SFTTrainer

__all__ = ["labelled_trainer", "mean_loss", "summed_loss"]

ROWS = 128
"""Labelled positions whose logits are in memory at once: 25 MB for a vocabulary of 49,000."""


@functools.cache
def labelled_trainer() -> type[SFTTrainer]:
    """TRL's trainer with this loss, for one process on a CPU. Made here, as its base class costs seconds to import."""
    from trl import SFTTrainer

    class LabelledTrainer(SFTTrainer):
        def __init__(self, model: PreTrainedModel, **settings: Any) -> None:
            use_packed_attention(model)
            super().__init__(model=model, **settings)

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> torch.Tensor:
            total, labels = summed_loss(model, inputs)
            return total / (labels if num_items_in_batch is None else num_items_in_batch)

    return cast("type[SFTTrainer]", LabelledTrainer)


def summed_loss(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, int]:
    """The negative log-likelihood of all labels of a batch, and how many there are.

    Args:
        model: A PEFT model around a causal language model whose output layer is frozen.
        inputs: `input_ids` and `labels`, both (1, tokens), and what else the model's body takes; the label of a
            position is its own token, as in transformers.
    """
    inputs = dict(inputs)
    labels = inputs.pop("labels")[:, 1:]
    causal = model.get_base_model()
    hidden = causal.base_model(**inputs, use_cache=False).last_hidden_state[:, :-1]
    labelled = labels != IGNORED
    head = causal.get_output_embeddings()
    return _head_loss().apply(hidden[labelled], head.weight, labels[labelled]), int(labelled.sum())


def mean_loss(model: Any, samples: list[tuple[list[int], list[int]]]) -> float:
    """The mean negative log-likelihood of a label over samples of token ids and labels, each read by itself."""
    import torch

    total, count = 0.0, 0
    training = model.training
    model.eval()
    with torch.no_grad():
        for ids, labels in samples:
            device = model.device
            inputs = {
                "input_ids": torch.tensor([ids], device=device),
                "labels": torch.tensor([labels], device=device),
                "position_ids": torch.arange(len(ids), device=device)[None],
            }
            loss, labelled = summed_loss(model, inputs)
            total, count = total + float(loss), count + labelled
    model.train(training)
    return total / count


@functools.cache
def _head_loss() -> Any:
    import torch

    class HeadLoss(torch.autograd.Function):
        """Summed cross-entropy of `hidden @ weight.T`, (rows, width) and (vocabulary, width), against (rows,) targets.

        The gradient of softmax and cross-entropy is the probabilities less the target's one-hot vector, so it is there
        with the loss: each block of logits is computed once, turned into it in place, and multiplied back.
        """

        @staticmethod
        def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            wanted = ctx.needs_input_grad[0]
            gradient = torch.empty_like(hidden) if wanted else None
            total = torch.zeros((), device=hidden.device)
            for start in range(0, len(hidden), ROWS):
                rows = slice(start, start + ROWS)
                target = targets[rows, None]
                logits = (hidden[rows] @ weight.t()).float()
                norm = logits.logsumexp(-1, keepdim=True)
                total += (norm - logits.gather(1, target)).sum()
                if gradient is not None:
                    logits.sub_(norm).exp_().scatter_add_(1, target, -torch.ones_like(norm))
                    gradient[rows] = logits.to(weight.dtype) @ weight
            if gradient is not None:
                ctx.save_for_backward(gradient)
            return total

        @staticmethod
        def backward(ctx: Any, *outputs: torch.Tensor) -> tuple[torch.Tensor, None, None]:
            (gradient,) = ctx.saved_tensors
            return gradient * outputs[0], None, None

    return HeadLoss
