"""All guards, by what they look at, as the settings have them."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from twin.guards import classifier
from twin.guards.answers import Links, PromptLeak, Repetition, Support
from twin.guards.classified import Classified, Instructions, Shared
from twin.guards.findings import Verdict
from twin.guards.guard import Seen
from twin.guards.hidden import HiddenText, plainly
from twin.guards.private import PrivateData

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from twin.guards.classifier import Scorer
    from twin.guards.findings import Action, Finding
    from twin.guards.guard import Guard
    from twin.settings import GuardSettings

__all__ = ["Guards"]

KNOWN_PASSAGES = 2_048
"""Passages whose verdicts are remembered: the same ones are found again and again."""
LEFT_OUT = "[…]"


class Guards:
    """Looks at questions, passages and answers. Use it from one thread.

    `outside` says whether the model that reads questions is somebody else's.
    """

    def __init__(self, settings: GuardSettings, *, outside: bool = False, scorer: Scorer | None = None) -> None:
        self._settings = settings
        self._scorer = scorer or classifier.packaged
        self._private = list(self._questions_data(outside))
        self._questions = list(self._of_questions())
        self._passages = list(self._of_passages())
        self._sentences = list(self._of_sentences())
        self._answers = list(self._of_answers())
        self._known: OrderedDict[str, Verdict] = OrderedDict()

    @property
    def holding(self) -> bool:
        """Whether anything that is found in a sentence changes it, so that it must be held until it was looked at."""
        return any(guard.action != "flag" for guard in self._sentences)

    @property
    def needs_vector(self) -> bool:
        """Whether a guard of questions looks at their vectors."""
        return any(guard.name == "harmful_request" for guard in self._questions)

    def warm(self) -> None:
        """Loads what the first question would otherwise wait for."""
        self.data("call +1 650 253 0000")
        self.question("warm up the guards")

    def data(self, text: str) -> Verdict:
        """Secrets and personal data in a question, before anything else sees it."""
        return _verdict(self._private, Seen(text))

    def question(self, text: str, vector: np.ndarray | None = None) -> Verdict:
        """A question as it will be searched, and what it would say if it were decoded."""
        verdict = _verdict(self._questions, Seen(text, vector))
        for reading in [] if verdict.blocking else plainly(text):
            hidden = _verdict(self._questions, Seen(reading))
            blocking = [finding for finding in hidden.findings if finding.action == "block"]
            verdict = Verdict(
                text=verdict.text,
                findings=[*verdict.findings, *blocking],
                timings=_summed(verdict.timings, hidden.timings),
            )
        return verdict

    def passage(self, text: str) -> Verdict:
        """A passage before a model reads it."""
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = _verdict(self._passages, Seen(text), LEFT_OUT)
            while len(self._known) > KNOWN_PASSAGES:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(text)
        return known

    def sentence(self, text: str, passages: Sequence[str] = (), prompt: str = "") -> Verdict:
        """A part of an answer before it is sent."""
        return _verdict(self._sentences, Seen(text, None, passages, prompt))

    def whole(self, text: str, passages: Sequence[str] = (), prompt: str = "") -> Verdict:
        """What can only be told of the answer as a whole."""
        return _verdict(self._answers, Seen(text, None, passages, prompt))

    def _questions_data(self, outside: bool) -> Iterable[Guard]:
        wanted = self._settings.question_data
        action = ("redact" if outside else "mark") if wanted == "auto" else wanted
        if wish := _action(action):
            yield PrivateData("question_data", wish)

    def _of_questions(self) -> Iterable[Guard]:
        settings, shared = self._settings, Shared(self._scorer)
        if wish := _action(settings.hidden_text):
            yield HiddenText(wish)
        for name, switch, threshold in (
            ("jailbreak", settings.jailbreak, settings.jailbreak_threshold),
            ("prompt_extraction", settings.extraction, settings.extraction_threshold),
            ("harmful_request", settings.harmful, settings.harmful_threshold),
        ):
            if wish := _action(switch):
                yield Classified(name, name, shared, threshold, wish)

    def _of_passages(self) -> Iterable[Guard]:
        if wish := _action(self._settings.hidden_text):
            yield HiddenText(wish)
        if wish := _action(self._settings.injection):
            yield Instructions(self._scorer, self._settings.injection_threshold, wish)

    def _of_sentences(self) -> Iterable[Guard]:
        settings = self._settings
        if wish := _action(settings.personal_data):
            yield PrivateData("personal_data", wish)
        if wish := _action(settings.links):
            yield Links(wish)
        if wish := _action(settings.prompt_leak):
            yield PromptLeak(wish)
        if wish := _action(settings.toxicity):
            yield Classified("toxicity", "toxic", Shared(self._scorer), settings.toxicity_threshold, wish)

    def _of_answers(self) -> Iterable[Guard]:
        settings = self._settings
        if wish := _action(settings.prompt_leak):
            yield PromptLeak(wish)
        if wish := _action(settings.repetition):
            yield Repetition(wish)
        if wish := _action(settings.support):
            yield Support(settings.support_share, wish)


def _action(switch: str) -> Action | None:
    """What a switch of the settings wants done; None for `off`."""
    actions: dict[str, Action] = {"mark": "flag", "redact": "redact", "block": "block"}
    return actions.get(switch)


def _verdict(guards: Iterable[Guard], seen: Seen, instead: str | None = None) -> Verdict:
    """What the guards find, one after the other, and the text without what they take out."""
    findings: list[Finding] = []
    timings: dict[str, float] = {}
    for guard in guards:
        started = time.perf_counter()
        findings += guard.look(seen)
        timings[guard.name] = round((time.perf_counter() - started) * 1000, 3)
    return Verdict(text=_redacted(seen.text, findings, instead), findings=findings, timings=timings)


def _redacted(text: str, findings: Iterable[Finding], instead: str | None) -> str:
    """The text with each place that is redacted replaced: by the kind of what was there, or by `instead`."""
    places = [(*span, found) for found in findings if found.action == "redact" for span in found.spans]
    pieces: list[str] = []
    position = 0
    for start, end, found in sorted(places, key=lambda place: place[:2]):
        if end <= position:
            continue
        hidden = "" if found.guard == "hidden_text" else instead or f"[{found.kind.upper()}]"
        pieces += [text[position : max(start, position)], hidden]
        position = end
    return "".join([*pieces, text[position:]])


def _summed(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {name: round(one.get(name, 0.0) + other.get(name, 0.0), 3) for name in {**one, **other}}
