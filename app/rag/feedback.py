"""What a reader says of an answer: a thumb or a score, how it should read, why."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Any, Literal

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from msgspec import Meta, Struct

from app.rag.schema import Problem
from app.rag.services import Services
from twin.feedback import Said

__all__ = ["ROUTES", "reader_of"]

MAX_CORRECTION, MAX_COMMENT = 4_000, 1_000
"""As escaped JSON, at twelve bytes a character, they still fit into the largest body that is read."""
THUMBS = {"up": 1.0, "down": 0.0}
OPENAI_PREFIX = "chatcmpl-"
"""What `/v1/chat/completions` puts before an answer's id."""

PROBLEMS = {
    400: ResponseSpec(Problem, description="The request does not fit", generate_examples=False),
    404: ResponseSpec(Problem, description="No such answer", generate_examples=False),
    413: ResponseSpec(Problem, description="The body is too large", generate_examples=False),
    503: ResponseSpec(Problem, description="MongoDB is away", generate_examples=False),
}


class FeedbackRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Feedback on an answer. What is said later, by the same reader on the same answer, replaces what was said."""

    id: Annotated[str, Meta(min_length=1, max_length=200, description="`id` or `trace_id` of the answer")]
    rating: Literal["up", "down"] | Annotated[float, Meta(ge=0, le=1)] | None = None
    """A thumb, or a score from 0 to 1."""
    correction: Annotated[str, Meta(max_length=MAX_CORRECTION, description="The answer as it should read")] = ""
    comment: Annotated[str, Meta(max_length=MAX_COMMENT, description="Why")] = ""

    def said(self) -> Said:
        """What it says."""
        score = THUMBS[self.rating] if isinstance(self.rating, str) else self.rating
        answer = self.id.removeprefix(OPENAI_PREFIX)
        return Said(answer=answer, score=score, correction=self.correction, comment=self.comment)


class FeedbackResponse(Struct, frozen=True, kw_only=True):
    """What is kept."""

    id: str
    """Of the feedback; equal feedback on an answer has one."""
    interaction_id: str
    rating: float | None
    correction: str
    """As kept: personal data and secrets are placeholders."""
    comment: str


@post("/feedback", status_code=200, responses=PROBLEMS, summary="Say how good an answer was")
async def feedback(
    request: Request[Any, Any, Any], data: JSONBody[FeedbackRequest], services: NamedDependency[Services]
) -> FeedbackResponse:
    """Keeps a thumb or a score, how the answer should read, and why; the same again changes nothing."""
    kept = await services.desk.take(data.said(), reader_of(request, services.reader_secret()))
    return FeedbackResponse(
        id=kept.id,
        interaction_id=kept.interaction_id,
        rating=kept.score,
        correction=kept.correction,
        comment=kept.comment,
    )


def reader_of(request: Request[Any, Any, Any], secret: bytes) -> str:
    """Who asks, as a name that is the same the next time and tells nobody who that is.

    It is made of the address that the connection comes from, which a client cannot choose, so that one of them does not
    become many readers. Behind a proxy all readers are one, which only makes the caps on them stricter.
    """
    host = request.client.host if request.client else ""
    return hmac.digest(secret, host.encode(), hashlib.sha256).hex()[:16]


ROUTES = [feedback]
