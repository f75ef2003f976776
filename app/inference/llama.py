"""llama.cpp, through xllamacpp: continuous batching over slots, each keeping the prompt prefix it has seen."""

from __future__ import annotations

import importlib
import os
import secrets
from pathlib import Path
from typing import Any

import msgspec

from app.inference.engine import Emit
from app.inference.repetition import Stretch, stretches
from app.inference.schema import ChatRequest, FinishReason, Piece, Usage
from app.inference.stops import StopFilter
from twin.errors import ArtifactError, GenerationInterrupted, InputError
from twin.settings import EndpointSettings

__all__ = ["LlamaEngine"]

PROMPT_CACHE_MIB = 256
"""Memory for the prefixes of prompts that have left their slot. llama.cpp's own default is 8 GiB."""


class LlamaEngine:
    """A GGUF model. `context_tokens` of the settings are shared out over the slots."""

    def __init__(self, file: Path, settings: EndpointSettings) -> None:
        # Compiled, and without type stubs.
        xllamacpp: Any = importlib.import_module("xllamacpp")
        params = xllamacpp.CommonParams()
        params.model.path = str(file)
        params.n_ctx = settings.context_tokens
        params.n_parallel = settings.slots
        cores = usable_cores()
        # llama.cpp's threads wait for each other, spinning, several times a token: when something else takes one of
        # their cores, generation on all cores of a two-core machine fell from 25 to 2 tokens/s (measured).
        params.cpuparams.n_threads = settings.threads or max(1, cores - 1)
        params.cpuparams_batch.n_threads = settings.threads or cores
        params.cache_ram_mib = PROMPT_CACHE_MIB
        params.fit_params = False  # would load the model twice, to fit it into a GPU's memory
        params.prefill_assistant = False
        params.verbosity = 1  # errors only
        # xllamacpp opens llama.cpp's own HTTP port beside the calls that we use. Nobody is told its key.
        params.hostnames = ["127.0.0.1"]
        params.api_keys = [secrets.token_urlsafe(32)]
        params.ui = False
        params.endpoint_slots = False
        self.context_tokens = settings.context_tokens // settings.slots
        self._penalty = settings.repetition_penalty
        self._window = settings.repetition_window
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            raise ArtifactError(f"llama.cpp cannot load {file}: {error}. Export the model again.") from error

    def generate(self, request: ChatRequest, emit: Emit) -> None:
        """See `Engine`.

        llama.cpp's penalty counts the end of the prompt too. So the answer is generated in a few stretches, each of
        which goes on with the text so far, which is still in its slot, and counts no more tokens than it has.
        """
        penalty = self._penalty if request.repetition_penalty is None else request.repetition_penalty
        answer = _Answer(emit, StopFilter(request.stop_texts))
        for number, stretch in enumerate(stretches(request.max_tokens, self._window if penalty != 1 else 0)):
            body = _body(request) | _going_on(request, answer.text, number)
            body |= {"max_tokens": stretch.tokens, "repeat_penalty": penalty, "repeat_last_n": stretch.counted}
            if not self._is_to_go_on(body, stretch, answer):
                break
        answer.finish()

    def _is_to_go_on(self, body: dict[str, Any], stretch: Stretch, answer: _Answer) -> bool:
        """Generates one stretch; whether more of the answer is wanted and possible."""
        before = answer.tokens
        try:
            self._server.handle_chat_completions(body, answer.take)
        except ValueError as error:
            raise InputError(f"The model refused the request: {error}") from error
        if answer.error is not None and answer.error.get("type") == "exceed_context_size_error" and before:
            return False  # the context is full: the answer ends where it is
        if answer.error is not None:
            raise self._our_error(answer.error)
        return answer.is_cut and answer.tokens - before >= stretch.tokens

    def _our_error(self, error: dict[str, Any]) -> InputError | GenerationInterrupted:
        if error.get("type") == "exceed_context_size_error":
            return InputError(
                f"The prompt has {error.get('n_prompt_tokens')} tokens and the model reads {self.context_tokens} per "
                "answer. Send less, or raise MODEL_CONTEXT_TOKENS."
            )
        if error.get("code") == 400:
            return InputError(f"The model refused the request: {error.get('message')}")
        return GenerationInterrupted("The model stopped in the middle of the answer. Ask again.", detail=str(error))


class _Answer:
    """Translates llama.cpp's chunks, in the order it sends them: texts, the finish reason, the usage."""

    def __init__(self, emit: Emit, stops: StopFilter) -> None:
        self.error: dict[str, Any] | None = None
        self.text = ""
        """All that was generated, also what may not be shown."""
        self._emit = emit
        self._stops = stops
        self._wanted = True
        self._finish_reason: FinishReason = "length"
        self._usage = Usage(0, 0)
        self._chunks = 0

    @property
    def tokens(self) -> int:
        """Tokens of the stretches that have ended."""
        return self._usage.completion_tokens

    @property
    def is_cut(self) -> bool:
        """Whether the last stretch ended because it had all of its tokens, and somebody wants the rest."""
        return self._wanted and not self._stops.stopped and self._finish_reason == "length"

    def take(self, chunk: dict[str, Any]) -> bool:
        """Takes one chunk; True tells llama.cpp to stop and free the slot."""
        if error := chunk.get("error"):
            self.error = error
            return True
        for choice in chunk["choices"]:
            self._finish_reason = choice["finish_reason"] or self._finish_reason
            if text := choice["delta"].get("content"):
                self.text += text
                self._chunks += 1
                self._show(self._stops.feed(text))
                if self._stops.stopped or not self._wanted:
                    return True
        if usage := chunk.get("usage"):
            self._usage = _added(self._usage, usage)
            self._chunks = 0
        return False

    def finish(self) -> None:
        """Shows what was held back, and tells how the answer ended and what it cost."""
        self._show(self._stops.finish())
        if not self._wanted:
            return
        reason: FinishReason = "stop" if self._stops.stopped else self._finish_reason
        # A stretch that was stopped told no usage; a chunk is a token.
        usage = msgspec.structs.replace(self._usage, completion_tokens=self.tokens + self._chunks)
        self._emit(Piece(finish_reason=reason, usage=usage))

    def _show(self, text: str) -> None:
        if text and self._wanted:
            self._wanted = self._emit(Piece(text=text))


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _body(request: ChatRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": request.stop_texts,
        "cache_prompt": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.seed is not None:
        body["seed"] = request.seed % 2**32
    return body


def _going_on(request: ChatRequest, text: str, number: int) -> dict[str, Any]:
    """What of a body differs when an answer that has begun is continued."""
    if not text:
        return {}
    # The text as generated, with nothing between it and what follows; templates are not asked how it ends.
    turns = [{"role": message.role, "content": message.content} for message in request.messages]
    body: dict[str, Any] = {
        "messages": [*turns, {"role": "assistant", "content": text}],
        "add_generation_prompt": False,
        "continue_final_message": "content",
    }
    if request.seed is not None:
        body["seed"] = (request.seed + number) % 2**32
    return body


def _added(sum_: Usage, usage: dict[str, Any]) -> Usage:
    """The usage of an answer so far and of one more stretch of it. The prompt is that of the first."""
    tokens = sum_.completion_tokens + usage["completion_tokens"]
    if sum_.prompt_tokens:
        return msgspec.structs.replace(sum_, completion_tokens=tokens)
    cached = usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    return Usage(usage["prompt_tokens"], tokens, cached)
