"""transformers, for architectures that have no GGUF export: one answer at a time, at a third of llama.cpp's speed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from app.inference.engine import Emit
from app.inference.schema import ChatRequest, FinishReason, Piece, Usage
from app.inference.stops import StopFilter
from twin.errors import ArtifactError, InputError
from twin.settings import EndpointSettings

__all__ = ["TransformersEngine"]


class TransformersEngine:
    """A Hugging Face folder, in float32 on a CPU and in the weights' own type on a GPU."""

    def __init__(self, folder: Path, settings: EndpointSettings) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        on_gpu = torch.cuda.is_available()
        if settings.threads:
            torch.set_num_threads(settings.threads)
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, dtype="auto" if on_gpu else torch.float32
            )
        except (OSError, ValueError) as error:
            raise ArtifactError(f"transformers cannot load {folder}: {error}. Export the model again.") from error
        self._model: Any = model.to("cuda" if on_gpu else "cpu").eval()
        longest = getattr(model.config, "max_position_embeddings", None) or settings.context_tokens
        self.context_tokens = min(longest, settings.context_tokens // settings.slots)
        self._penalty = settings.repetition_penalty
        self._window = settings.repetition_window
        self._one_at_a_time = threading.Lock()  # the seed is torch's global state

    def generate(self, request: ChatRequest, emit: Emit) -> None:
        """See `Engine`."""
        inputs = self._inputs(request)
        prompt_tokens = inputs["input_ids"].shape[1]
        room = self.context_tokens - prompt_tokens
        if room < 1:
            raise InputError(
                f"The prompt has {prompt_tokens} tokens and the model reads {self.context_tokens} per answer. "
                "Send less, or raise MODEL_CONTEXT_TOKENS."
            )
        out = _Output(self._tokenizer, StopFilter(request.stop_texts), emit)
        with self._one_at_a_time:
            self._run(request, inputs, min(request.max_tokens, room), out)
        if not out.wanted:
            return
        emit(Piece(finish_reason=out.finish_reason, usage=Usage(prompt_tokens, out.tokens)))

    def _inputs(self, request: ChatRequest) -> Any:
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        try:
            inputs = self._tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
        except ValueError as error:
            raise InputError(f"The model's chat template refuses the messages: {error}") from error
        return inputs.to(self._model.device)

    def _run(self, request: ChatRequest, inputs: Any, max_tokens: int, out: _Output) -> None:
        import torch
        from transformers import LogitsProcessorList, StoppingCriteriaList

        penalty = self._penalty if request.repetition_penalty is None else request.repetition_penalty
        repeated = _RepetitionPenalty(penalty, self._window, inputs["input_ids"].shape[1])
        sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if request.temperature > 0:
            sampling = {"do_sample": True, "temperature": request.temperature, "top_p": request.top_p, "top_k": 0}
            torch.manual_seed(request.seed if request.seed is not None else torch.seed())
        with torch.inference_mode():
            self._model.generate(
                **inputs,
                **sampling,
                max_new_tokens=max_tokens,
                pad_token_id=self._tokenizer.eos_token_id,
                logits_processor=LogitsProcessorList([repeated] if penalty != 1 else []),
                stopping_criteria=StoppingCriteriaList([lambda ids, _scores: out.take(ids)]),
            )
        out.finish(self._model.generation_config.eos_token_id)


class _RepetitionPenalty:
    """Makes tokens less likely that are among the last `window` of the answer, whose prompt has `prompt` tokens."""

    def __init__(self, penalty: float, window: int, prompt: int) -> None:
        self._penalty = penalty
        self._window = window
        self._prompt = prompt

    def __call__(self, ids: Any, scores: Any) -> Any:
        """Called by transformers with all ids so far, shape (1, length), and the next token's scores, (1, words)."""
        import torch

        said = ids[:, self._prompt :][:, -self._window :]
        of_said = scores.gather(1, said)
        lowered = torch.where(of_said < 0, of_said * self._penalty, of_said / self._penalty)
        return scores.scatter(1, said, lowered)


class _Output:
    """Follows a generation token by token: emits new text, and tells when to stop."""

    def __init__(self, tokenizer: Any, stops: StopFilter, emit: Emit) -> None:
        self._tokenizer = tokenizer
        self._stops = stops
        self._emit = emit
        self._ids: list[int] = []
        self._read = ""
        self.wanted = True

    @property
    def tokens(self) -> int:
        return len(self._ids)

    def take(self, ids: Any) -> Any:
        """Called by transformers after each token with all ids so far, shape (1, length); whether to stop, (1,)."""
        import torch

        self._ids.append(int(ids[0, -1]))
        text = self._text()
        if not text.endswith("�"):  # else the token ends inside a character
            self._read_on(text)
        return torch.tensor([self._stops.stopped or not self.wanted], device=ids.device)

    def finish(self, eos: int | list[int] | None) -> None:
        """Shows what was held back, now that the generation has ended."""
        self._read_on(self._text())
        ends = eos if isinstance(eos, list) else [eos]
        stopped = self._stops.stopped or (bool(self._ids) and self._ids[-1] in ends)
        self.finish_reason: FinishReason = "stop" if stopped else "length"
        self._show(self._stops.finish())

    def _text(self) -> str:
        return self._tokenizer.decode(self._ids, skip_special_tokens=True)

    def _read_on(self, text: str) -> None:
        self._show(self._stops.feed(text[len(self._read) :]))
        self._read = text

    def _show(self, text: str) -> None:
        if text and self.wanted:
            self.wanted = self._emit(Piece(text=text))
