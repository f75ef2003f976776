"""The one prompt template: what the model is trained on is what it is asked.

It is short on purpose. On two CPU cores a prompt of 700 tokens costs 2 to 4 seconds before the first token, so passages
share a budget of words. What never changes comes first: the system prompt is the same for every question to one
author, so that the inference server finds that prefix in its cache.

The order is persona, history, passages, question. Earlier turns stand between the persona and the last message, each
as it was said and without the passages that were shown then: what was asked before is understood, what was read before
is not paid for again. The passages stand right before the question that they were found for, where a small model heeds
them most.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twin.records import Passage

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HISTORY_WORDS", "PASSAGE_WORDS", "VERSION", "answer_messages", "fit", "plain", "system_prompt"]

VERSION = "2"
"""Changes with the template; training data and evaluations that use it name it in their code version."""

PASSAGE_WORDS = 300
"""Words that all passages of one prompt have together, about 420 tokens."""

HISTORY_WORDS = 120
"""Words that earlier turns have together; the latest are kept."""

MIN_WORDS = 30
"""Less than this of a passage is not worth showing."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_SPECIAL_TOKEN = re.compile(r"<+(?=\||/?s>|unk>|pad>)|(?<=\|)>+")
_WORD = re.compile(r"\S+")
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*(?=\s|$)")


def system_prompt(author: str) -> str:
    """Who the model is: the same text for every question to this author."""
    name = " ".join(plain(author).split())
    return f"You are {name}. Answer in the first person, in your own voice and style, from what you have written."


def answer_messages(
    question: str,
    author: str,
    passages: Sequence[str | Passage],
    history: Sequence[tuple[str, str]] = (),
) -> list[dict[str, str]]:
    """The chat messages that ask for an answer to `question` in the voice of `author`.

    Passages are numbered from 1 in their order and cut to the budget (see `fit`). Without passages the question stands
    alone, which is how samples without retrieval are trained. `history` has the conversation's earlier questions and
    answers, oldest first; the latest that fit HISTORY_WORDS are kept.
    """
    shown = fit(passages)
    asked = plain(question).strip()
    if shown:
        notes = "\n\n".join(f"[{number}] {text}" for number, text in enumerate(shown, start=1))
        asked = f"What you have written:\n\n{notes}\n\nQuestion: {asked}"
    return [
        {"role": "system", "content": system_prompt(author)},
        *_turns(history),
        {"role": "user", "content": asked},
    ]


def fit(passages: Sequence[str | Passage], words: int = PASSAGE_WORDS) -> list[str]:
    """The texts of the leading passages that share a budget of `words`: the best ones whole, the last one cut.

    The result is parallel to the first passages of the input: what is left out is left out at the end, so numbers keep
    their meaning. A cut falls on the end of a sentence where there is one in the second half of what fits.
    """
    shown: list[str] = []
    left = words
    for passage in passages:
        text = plain(passage.text if isinstance(passage, Passage) else passage).strip()
        ends = [match.end() for match in _WORD.finditer(text)]
        if len(ends) > left and left < MIN_WORDS:
            break
        shown.append(text if len(ends) <= left else _cut(text[: ends[left - 1]]))
        left -= len(ends)
        if left <= 0:
            break
    return shown


def plain(text: str) -> str:
    """The text without what would steer the model or a terminal instead of being read.

    Control and invisible direction characters go; the markers of chat templates (`<|im_start|>`, `</s>`) lose their
    brackets, because a server would read them as the end of the message and the start of another.
    """
    return _SPECIAL_TOKEN.sub("", _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def _turns(history: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """The latest turns whole, as many as share the budget."""
    turns: list[dict[str, str]] = []
    left = HISTORY_WORDS
    for asked, answered in reversed(history):
        left -= len(_WORD.findall(asked)) + len(_WORD.findall(answered))
        if left < 0:
            break
        turns[:0] = [
            {"role": "user", "content": plain(asked).strip()},
            {"role": "assistant", "content": plain(answered).strip()},
        ]
    return turns


def _cut(text: str) -> str:
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends and ends[-1] > len(text) // 2 else f"{text} …"
