"""What can go wrong with a chat-completions server, as our errors."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from twin.errors import GenerationInterrupted, InputError, ModelUnavailable, Overloaded
from twin.serving.wire import error_message, names_model

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Faults"]

ABOUT_THE_QUESTION = (400, 413, 422)
"""Statuses with which a server refuses what is asked, and not how it is asked."""


@dataclass(frozen=True)
class Faults:
    """Words the faults of one server."""

    base_url: str
    url: str
    """Where it is asked."""
    timeout: float
    """Seconds that it has for its next bytes."""

    def refusal(self, response: httpx.Response, model: str | None) -> InputError | Overloaded | ModelUnavailable:
        """The error that an HTTP status means; `model` is the name that was asked for."""
        status, said = response.status_code, error_message(response.content)
        retry_after = response.headers.get("Retry-After")
        if status == 429 or (status == 503 and retry_after):
            when = f"in {retry_after} s" if retry_after else "later"
            return Overloaded(f"The model at {self.base_url} is busy. Try again {when}.", detail=said)
        if status in (401, 403):
            return ModelUnavailable(f"The model at {self.base_url} refused our key. Set its API key.", detail=said)
        if status in ABOUT_THE_QUESTION and not names_model(response.content):
            return InputError(f"The model refused the request: {said}")
        if status < 500:
            what = f"no model {model!r}" if model else "no such address"
            return ModelUnavailable(
                f"The server at {self.base_url} knows {what} (status {status}). Set its URL and the model's name.",
                detail=said,
            )
        return ModelUnavailable(f"The model at {self.base_url} failed with status {status}: {said}")

    def no_chat_server(self, detail: str) -> ModelUnavailable:
        """Something answered, and not as such a server does."""
        return ModelUnavailable(f"{self.url} does not answer as a chat-completions server. Set its URL.", detail=detail)

    def interrupted(self, detail: str) -> GenerationInterrupted:
        """The answer broke off."""
        return GenerationInterrupted(
            f"The model at {self.base_url} stopped in the middle of the answer. Ask again.", detail=detail
        )

    def unavailable(self, error: httpx.HTTPError) -> ModelUnavailable:
        """No answer came."""
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            what = f"did not answer within {self.timeout:.0f} s"
        else:
            what = "does not answer"
        return ModelUnavailable(
            f"The model at {self.base_url} {what}. See whether it runs: `llm-twin endpoint status`.",
            detail=repr(error),
        )

    @contextlib.contextmanager
    def as_our_errors(self) -> Generator[None]:
        """What fails in the block is `unavailable`."""
        try:
            yield
        except httpx.HTTPError as error:
            raise self.unavailable(error) from error
