"""Prometheus metrics: requests by route, stages of answers, what became of them."""

from __future__ import annotations

import time

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

from twin.records import Interaction

__all__ = ["CONTENT_TYPE_LATEST", "Metrics", "RequestMetrics"]

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The figures of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "twin_http_requests", "Requests answered", ["route", "method", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "twin_http_request_seconds",
            "Until the last byte of a response",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "twin_stage_seconds", "Stages of an answer", ["stage"], buckets=SECONDS, registry=self.registry
        )
        self.interactions = Counter(
            "twin_interactions", "Interactions by how they ended", ["status"], registry=self.registry
        )
        self.unstored = Counter(
            "twin_interactions_unstored", "Interactions that could not be stored", registry=self.registry
        )
        self.guards = Counter(
            "twin_guard_findings",
            "What guards found",
            ["direction", "guard", "action"],
            registry=self.registry,
        )
        self.tokens = Counter("twin_tokens", "Tokens read and written by the model", ["kind"], registry=self.registry)

    def observe(self, interaction: Interaction, stored: bool) -> None:
        """Counts one interaction."""
        self.interactions.labels(interaction.status).inc()
        if not stored:
            self.unstored.inc()
        for finding in interaction.findings:
            self.guards.labels(finding.direction, finding.guard, finding.action).inc()
        for stage, milliseconds in interaction.timings.items():
            self.stage_seconds.labels(stage).observe(milliseconds / 1000)
        for kind, count in interaction.usage.items():
            self.tokens.labels(kind.removesuffix("_tokens")).inc(count)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)


class RequestMetrics(ASGIMiddleware):
    """Counts and times every request that has a route."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Passes the request on and notes its status and duration."""
        started = time.perf_counter()
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await next_app(scope, receive, noting)
        finally:
            route = scope.get("path_template") or "unmatched"
            self._metrics.requests.labels(route, scope.get("method", ""), str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(time.perf_counter() - started)
