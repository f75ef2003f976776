"""Going on with texts and measuring how likely texts are, in batches, with logits only where they are needed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from transformers import PreTrainedModel

    from twin.datasets import Likelihood, Unfinished

__all__ = ["losses", "write"]

TEXTS_AT_ONCE = 4
"""Texts that are gone on with together, each from all of its beginnings: a step of 24 rows takes hardly longer than one
of 6 on two cores (measured)."""
LIKELIHOODS_AT_ONCE = 8
NEW_TOKENS = 20
TEMPERATURE = 0.4
ENDS = ("?", "\n", ".")


def write(model: PreTrainedModel, tokenizer: Any, unfinished: Sequence[Unfinished]) -> list[list[str]]:
    """For each text one line for each of its beginnings, up to the first end of a sentence.

    What all texts begin with is read once, what the beginnings of one text share once for that text.
    """
    import torch

    if not unfinished:
        return []
    encoded = [tokenizer(one.prompt, add_special_tokens=False)["input_ids"] for one in unfinished]
    shared = encoded[0][: _shared(encoded)]
    lines: list[list[str]] = []
    with torch.inference_mode():
        whole = _Rows(model, [shared])
        for start in range(0, len(unfinished), TEXTS_AT_ONCE):
            batch = unfinished[start : start + TEXTS_AT_ONCE]
            rows = whole.repeated([len(batch)])
            rows.read([ids[len(shared) :] for ids in encoded[start : start + TEXTS_AT_ONCE]])
            rows = rows.repeated([len(one.beginnings) for one in batch])
            begun = [(begin, one.seed + place) for one in batch for place, begin in enumerate(one.beginnings)]
            written = iter(_continued(rows, tokenizer, begun))
            lines += [[next(written) for _ in one.beginnings] for one in batch]
    return lines


def losses(model: PreTrainedModel, tokenizer: Any, asked: Sequence[Likelihood]) -> list[float]:
    """The mean negative log-likelihood, nats a token, of each text after its prompt."""
    import torch

    encoded = [_encoded(one, tokenizer) for one in asked]
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index][0]))
    found = [0.0] * len(encoded)
    with torch.inference_mode():
        for start in range(0, len(order), LIKELIHOODS_AT_ONCE):
            batch = order[start : start + LIKELIHOODS_AT_ONCE]
            for index, loss in zip(batch, _losses(model, [encoded[index] for index in batch]), strict=True):
                found[index] = loss
    return found


class _Rows:
    """Rows of tokens that a model has read, and reads on. Shorter pieces are padded in front and the padding masked."""

    def __init__(self, model: PreTrainedModel, tokens: Sequence[list[int]]) -> None:
        import torch

        self._model = model
        self._past: Any = None
        self._mask = torch.zeros((len(tokens), 0), dtype=torch.long)
        if tokens[0]:
            self.read(tokens)

    def repeated(self, times: Sequence[int]) -> _Rows:
        """New rows: each of these as often as `times` says, the one of a single row for all."""
        import torch

        rows = copy.copy(self)
        index = torch.repeat_interleave(torch.arange(len(self._mask)), torch.tensor(times))
        rows._mask = self._mask[index]
        if self._past is not None:
            rows._past = copy.deepcopy(self._past)
            rows._past.reorder_cache(index)
        return rows

    def read(self, tokens: Sequence[list[int]]) -> Tensor:
        """Reads a piece of each row; gives the logits of what follows, shape (rows, words)."""
        import torch

        longest = max(map(len, tokens))
        ids = torch.tensor([[0] * (longest - len(one)) + one for one in tokens])
        fresh = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in tokens])
        self._mask = torch.cat([self._mask, fresh], dim=1)
        output = self._model(
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=(self._mask.cumsum(1) - 1).clamp(min=0)[:, -longest:],
            past_key_values=self._past,
            use_cache=True,
            logits_to_keep=1,
        )
        self._past = output.past_key_values
        return output.logits[:, -1]


def _continued(rows: _Rows, tokenizer: Any, begun: Sequence[tuple[str, int]]) -> list[str]:
    """Samples each row, with its beginning and its seed, to the end of a sentence."""
    import torch

    logits = rows.read([tokenizer(f" {begin}", add_special_tokens=False)["input_ids"] for begin, _ in begun])
    generators = [torch.Generator().manual_seed(seed) for _, seed in begun]
    tokens: list[list[int]] = [[] for _ in begun]
    ended = [False] * len(begun)
    for _ in range(NEW_TOKENS):
        sampled = _sampled(logits, generators)
        for row, token in enumerate(sampled):
            if not ended[row]:
                tokens[row].append(token)
                ended[row] = any(end in tokenizer.decode([token]) for end in ENDS)
        if all(ended):
            break
        logits = rows.read([[token] for token in sampled])
    return [
        begin + tokenizer.decode(own, skip_special_tokens=True) for (begin, _), own in zip(begun, tokens, strict=True)
    ]


def _shared(encoded: Sequence[list[int]]) -> int:
    """How many tokens all begin with, at least one less than the shortest has."""
    most = min(map(len, encoded)) - 1
    return next((place for place in range(most) if len({one[place] for one in encoded}) > 1), most)


def _sampled(logits: Tensor, generators: Sequence[Any]) -> list[int]:
    import torch

    chances = torch.softmax(logits.float() / TEMPERATURE, dim=-1)
    return [int(torch.multinomial(row, 1, generator=chance)) for row, chance in zip(chances, generators, strict=True)]


def _encoded(asked: Likelihood, tokenizer: Any) -> tuple[list[int], int]:
    """The tokens of prompt and text, and how many of them are the text's."""
    prompt = tokenizer.apply_chat_template(asked.prompt, add_generation_prompt=True, tokenize=False)
    shown = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    said = tokenizer(asked.text, add_special_tokens=False)["input_ids"]
    return [*shown, *said], len(said)


def _losses(model: PreTrainedModel, encoded: Sequence[tuple[list[int], int]]) -> list[float]:
    """Hidden states of all tokens and logits of the text's alone: 49k words over a prompt would be most of the cost."""
    import torch

    longest = max(len(ids) for ids, _ in encoded)
    padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in encoded])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in encoded])
    hidden = model.base_model(input_ids=padded, attention_mask=mask, use_cache=False)[0]
    head: Any = model.get_output_embeddings()
    found = []
    for row, (ids, size) in enumerate(encoded):
        if not size:
            found.append(0.0)
            continue
        logits = head(hidden[row, len(ids) - size - 1 : len(ids) - 1]).float()
        found.append(torch.nn.functional.cross_entropy(logits, torch.tensor(ids[-size:])).item())
    return found
