"""The one table from errors to HTTP."""

from __future__ import annotations

from litestar.exceptions import MethodNotAllowedException

from app.http.problems import STATUSES, fault_of, status_of
from twin import errors
from twin.errors import TwinError


def test_every_error_of_the_tree_has_a_status() -> None:
    kinds = [kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type)]
    assert {kind for kind, _ in STATUSES} <= set(kinds)
    assert all(400 <= status_of(kind("x")) < 600 for kind in kinds if issubclass(kind, TwinError))
    assert status_of(errors.UnknownAuthor("x")) == 404
    assert status_of(errors.QuestionTooLong("x")) == 400
    assert status_of(errors.IndexUnavailable("x")) == 503


def test_a_fault_of_ours_has_its_message_and_a_bug_has_none() -> None:
    ours = fault_of(errors.Overloaded("The queue is full.", detail="16 wait"))
    assert (ours.status, ours.type, ours.message, ours.headers) == (
        429,
        "Overloaded",
        "The queue is full.",
        {"Retry-After": "2"},
    )
    bug = fault_of(ZeroDivisionError("a secret"))
    assert (bug.status, bug.type, bug.message) == (500, "InternalError", errors.INTERNAL)


def test_a_refusal_of_the_framework_keeps_its_headers() -> None:
    refusal = fault_of(MethodNotAllowedException(headers={"Allow": "GET"}))
    assert (refusal.status, refusal.headers) == (405, {"Allow": "GET"})
