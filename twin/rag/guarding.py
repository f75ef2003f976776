"""The guards in the course of an answer: each look is a span of the trace, a timing, and findings in the draft."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec

from twin.guards import refusal
from twin.rag.messages import Retracted, Token
from twin.records import GuardFinding
from twin.text.citations import sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np

    from twin.guards import Finding, Guards, Verdict
    from twin.rag.draft import Draft
    from twin.rag.messages import Event
    from twin.rag.tracing import Tracer
    from twin.records import Passage

__all__ = ["CONTENT_FILTER", "Guarding", "Outlet"]

CONTENT_FILTER = "content_filter"
"""Why an answer ended that a guard took back; the name is OpenAI's."""
REPEATED_WORDS = 6
"""A sentence of so many words that was said before is a loop; a shorter one may be a manner of speaking."""
MAX_HELD = 400
"""So many characters without an end of a sentence are looked at all the same, up to a blank."""

Direction = Literal["question", "passage", "answer"]


class Guarding:
    """Runs the guards, or none. `vector` gives a question's vector, which retrieval uses too."""

    def __init__(self, guards: Guards | None, tracer: Tracer, vector: Callable[[str], np.ndarray]) -> None:
        self._guards = guards
        self._tracer = tracer
        self._vector = vector

    def data(self, text: str, draft: Draft) -> str:
        """The question without the secrets and personal data that the settings take out; before it is traced."""
        if self._guards is None:
            return text
        started = time.perf_counter()
        verdict = self._guards.data(text)
        self._note("question", verdict, draft)
        if verdict.text != text:
            draft.question = msgspec.structs.replace(draft.question, text=verdict.text)
        draft.timings["guard_question"] = _since(started)
        return verdict.text

    async def question(self, text: str, draft: Draft) -> str:
        """The question as it is searched. Where it is refused, the draft says by whom."""
        if self._guards is None:
            return text
        with self._tracer.span("guard", type="general", input={"direction": "question"}) as span:
            vector = await asyncio.to_thread(self._vector, text) if self._guards.needs_vector else None
            started = time.perf_counter()
            verdict = self._guards.question(text, vector)
            self._note("question", verdict, draft)
            draft.timings["guard_question"] = round(draft.timings.get("guard_question", 0) + _since(started), 2)
            span.update(output=_told(draft.findings), metadata={"ms": verdict.timings})
        return verdict.text

    def passages(self, passages: list[Passage], draft: Draft) -> list[Passage]:
        """The passages without what talks to a model; one that is blocked, or nothing but that, is left out."""
        if self._guards is None or not passages:
            return passages
        started = time.perf_counter()
        kept: list[Passage] = []
        with self._tracer.span(
            "guard", type="general", input={"direction": "passage", "passages": len(passages)}
        ) as span:
            timings: Counter[str] = Counter()
            before = len(draft.findings)
            for passage in passages:
                verdict = self._guards.passage(passage.text)
                timings.update(verdict.timings)
                self._note("passage", verdict, draft, passage.chunk_id, refuses=False)
                if verdict.action != "block" and any(char.isalnum() for char in verdict.text):
                    kept.append(msgspec.structs.replace(passage, text=verdict.text))
            span.update(output={**_told(draft.findings[before:]), "kept": len(kept)}, metadata={"ms": dict(timings)})
        draft.timings["guard_passages"] = _since(started)
        return kept

    def outlet(self, draft: Draft, emit: Callable[[Event], None], prompt: str) -> Outlet:
        """What an answer goes through on its way to the reader."""
        return Outlet(self._guards, draft, emit, prompt, self._note)

    def close(self, outlet: Outlet, draft: Draft) -> None:
        """Traces what an answer's guards found, and how long they took in all."""
        if self._guards is None:
            return
        with self._tracer.span("guard", type="general", input={"direction": "answer"}) as span:
            found = [finding for finding in draft.findings if finding.direction == "answer"]
            span.update(output=_told(found), metadata={"ms": {name: round(ms, 3) for name, ms in outlet.spent.items()}})
        draft.timings["guard_answer"] = round(sum(outlet.spent.values()), 2)

    @staticmethod
    def _note(
        direction: Direction, verdict: Verdict, draft: Draft, chunk_id: str | None = None, *, refuses: bool = True
    ) -> None:
        draft.findings += [_kept(direction, finding, chunk_id) for finding in verdict.findings]
        if refuses and verdict.blocking and draft.refused_by is None:
            draft.refused_by = verdict.blocking.guard


class Outlet:
    """Between the model and the reader: a sentence is held until it was looked at, where the settings may change it.

    What is found later takes the whole answer back: the reader gets `Retracted`, and the model is not asked on. Nor is
    it when it says a sentence again: a small model goes on like that to its last token, so the answer ends before it.
    """

    def __init__(
        self,
        guards: Guards | None,
        draft: Draft,
        emit: Callable[[Event], None],
        prompt: str,
        note: Callable[[Direction, Verdict, Draft], None],
    ) -> None:
        self._guards = guards
        self._draft = draft
        self._emit = emit
        self._prompt = prompt
        self._note = note
        self._passages = [passage.text for passage in draft.passages]
        self._held = ""
        self._said: set[str] = set()
        self._loops = False
        self._holding = guards is not None and guards.holding
        self._started = time.perf_counter()
        self._first: float | None = None
        self.spent: Counter[str] = Counter()
        """Milliseconds, by guard."""

    @property
    def closed(self) -> bool:
        """Whether nothing more is wanted of the model: the answer was taken back, or began to repeat itself."""
        return self._loops or self._draft.refused_by is not None

    def feed(self, text: str) -> None:
        """Takes a piece of the answer; gives out what is whole."""
        if self.closed or not text:
            return
        self._first = self._first or _since(self._started)
        if not self._holding:
            self._say(text)
        if self._guards is not None:
            self._held += text
            self._look(_whole(self._held))

    def flush(self) -> None:
        """Gives out the rest, when no more comes."""
        if not self.closed and self._guards is not None:
            self._look(self._held)

    def finish(self) -> None:
        """Looks at the answer as a whole, when it came to its end."""
        if self._draft.refused_by is not None or self._guards is None:
            return
        verdict = self._guards.whole(self._draft.text, self._passages, self._prompt)
        self._take(verdict)

    def _look(self, part: str) -> None:
        if not part or self._guards is None:
            return
        self._held = self._held[len(part) :]
        part = self._new(part)
        if not part:
            return
        verdict = self._guards.sentence(part, self._passages, self._prompt)
        if self._take(verdict) and self._holding:
            self._say(verdict.text)

    def _new(self, part: str) -> str:
        """The part up to a sentence that was said before."""
        new = ""
        for sentence in sentences(part):
            words = sentence.lower().split()
            if len(words) >= REPEATED_WORDS:
                key = " ".join(words)
                self._loops = self._loops or key in self._said
                self._said.add(key)
            if self._loops:
                break
            new += sentence
        return new

    def _take(self, verdict: Verdict) -> bool:
        """Whether the answer stands after what was found."""
        self.spent.update(verdict.timings)
        self._note("answer", verdict, self._draft)
        if verdict.blocking is None:
            return True
        self._take_back(verdict.blocking.guard)
        return False

    def _say(self, text: str) -> None:
        if not text:
            return
        if "time_to_first_token" not in self._draft.timings:
            self._draft.timings["time_to_first_token"] = _since(self._started)
            if self._holding:
                self._draft.timings["held"] = round(_since(self._started) - (self._first or 0), 2)
        self._draft.pieces.append(text)
        self._emit(Token(text=text))

    def _take_back(self, guard: str) -> None:
        said, text = bool(self._draft.pieces), refusal(guard)
        self._held = ""
        self._draft.pieces[:] = [text]
        self._draft.finish_reason = CONTENT_FILTER
        self._emit(Retracted(text=text, guard=guard) if said else Token(text=text))


def _whole(text: str) -> str:
    """The beginning of a text up to its last end of a sentence; a very long one up to its last blank."""
    *whole, _ = sentences(text) or [""]
    if whole or len(text) < MAX_HELD:
        return "".join(whole)
    return text[: text.rfind(" ") + 1] or text


def _kept(direction: Direction, finding: Finding, chunk_id: str | None) -> GuardFinding:
    return GuardFinding(
        guard=finding.guard,
        direction=direction,
        kind=finding.kind,
        action=finding.action,
        score=finding.score,
        version=finding.version,
        count=max(1, len(finding.spans)),
        chunk_id=chunk_id,
    )


def _told(findings: Iterable[GuardFinding]) -> dict[str, object]:
    found = list(findings)
    return {
        "action": next(
            (act for act in ("block", "redact", "flag") if any(one.action == act for one in found)), "allow"
        ),
        "findings": msgspec.to_builtins(found),
    }


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
