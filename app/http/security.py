"""Headers with which no page runs, loads or is framed by what is not its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.datastructures import MutableScopeHeaders

if TYPE_CHECKING:
    from litestar.types import BeforeMessageSendHookHandler, Message, Scope

__all__ = ["security_headers"]

OWN_PARTS = "style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
OWN_SCRIPTS = "script-src 'self'; connect-src 'self'; "


def security_headers(*, scripts: bool = False) -> BeforeMessageSendHookHandler:
    """A `before_send` hook that adds them to every response. `scripts`: the app's own scripts may run."""
    headers = {
        "Content-Security-Policy": f"default-src 'none'; {OWN_SCRIPTS if scripts else ''}{OWN_PARTS}",
        "Referrer-Policy": "same-origin",  # without a referrer, a form would not tell its own origin either
        "X-Content-Type-Options": "nosniff",
    }

    async def add(message: Message, _scope: Scope) -> None:
        if message["type"] == "http.response.start":
            MutableScopeHeaders.from_message(message).update(headers)

    return add
