"""What is said instead of an answer: fixed sentences, which tell neither the rule nor what it saw."""

from __future__ import annotations

__all__ = ["refusal"]

_DEFAULT = "I would rather not answer that."
_REFUSALS = {
    "jailbreak": "I answer as myself, from what I have written. Ask me about that.",
    "prompt_extraction": "How I am set up is not something I talk about. Ask me about what I have written.",
    "harmful_request": "I cannot help with that. If somebody is in danger, please call your local emergency number.",
    "question_data": "Your question holds personal data or a secret. Please ask it without that.",
    "hidden_text": "Part of your question cannot be read as plain text. Please ask it in plain words.",
    "toxicity": "I have taken this answer back, since it did not come out as I would say it.",
    "prompt_leak": "I have taken this answer back. Ask me about what I have written.",
    "personal_data": "I have taken this answer back, since it held personal data.",
    "links": "I have taken this answer back, since it held a link that is not mine.",
    "repetition": "I have taken this answer back, since it only repeated itself. Please ask again.",
    "support": "I have taken this answer back, since too little of it is in what I have written.",
}


def refusal(guard: str) -> str:
    """The sentence for what this guard blocked."""
    return _REFUSALS.get(guard, _DEFAULT)
