"""llama.cpp, through xllamacpp: continuous batching over slots, each keeping the prompt prefix it has seen."""

from __future__ import annotations

import importlib
import os
import secrets
from pathlib import Path
from typing import Any

from app.inference.engine import Emit
from app.inference.schema import ChatRequest, FinishReason, Piece, Usage
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
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            raise ArtifactError(f"llama.cpp cannot load {file}: {error}. Export the model again.") from error

    def generate(self, request: ChatRequest, emit: Emit) -> None:
        """See `Engine`."""
        answer = _Answer(emit)
        try:
            self._server.handle_chat_completions(_body(request), answer.take)
        except ValueError as error:
            raise InputError(f"The model refused the request: {error}") from error
        if answer.error is not None:
            raise self._our_error(answer.error)

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

    def __init__(self, emit: Emit) -> None:
        self.error: dict[str, Any] | None = None
        self._emit = emit
        self._finish_reason: FinishReason = "stop"

    def take(self, chunk: dict[str, Any]) -> bool:
        """Takes one chunk; True tells llama.cpp to stop and free the slot."""
        if error := chunk.get("error"):
            self.error = error
            return True
        for choice in chunk["choices"]:
            self._finish_reason = choice["finish_reason"] or self._finish_reason
            if (text := choice["delta"].get("content")) and not self._emit(Piece(text=text)):
                return True
        if usage := chunk.get("usage"):
            self._emit(Piece(finish_reason=self._finish_reason, usage=_usage(usage)))
        return False


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _body(request: ChatRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "max_tokens": request.max_tokens,
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


def _usage(usage: dict[str, Any]) -> Usage:
    cached = usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    return Usage(usage["prompt_tokens"], usage["completion_tokens"], cached)
