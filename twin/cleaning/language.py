"""The language of a text, told by its script or by its most common words.

Enough for what it decides here (which language a document is filed under), and without a model: over a few hundred
words of running text, stop words tell the larger European languages apart; of a short or mixed text nothing is said.
"""

from __future__ import annotations

import re
from collections import Counter

from twin.cleaning.markdown import sections

__all__ = ["STOP_WORDS", "detect_language"]

STOP_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        "en": (
            "the of and to in is that it for with as was on are this be by from you we not have or which their can has"
        ),
        "de": (
            "der die und das ist nicht ein eine zu den mit sich auf für im dem auch als es an werden aus "
            "bei wir oder sind"
        ),
        "fr": (
            "le la les des et est une du dans que pour qui pas sur plus avec par nous vous au ce sont cette ou il mais"
        ),
        "es": (
            "el los las una que por con para del como más pero sus este esta son también hay muy lo al se es nos donde"
        ),
        "it": (
            "il di che è un per una sono con non del della gli nel come anche più questo alla dei le si ha ma delle"
        ),
        "pt": (
            "o os uma que não para com do da em como mais dos das por são também ao pelo pela você isso foi na no se"
        ),
        "nl": ("de het een van en is dat niet zijn op voor met aan ook als er bij maar naar door wordt deze om te wij"),
        "sv": ("och att det som en är på för med av den inte till ett om har de jag vi kan från men eller så när"),
        "da": ("og at det som en er på for med af den ikke til et om har de jeg vi kan fra men eller så når blev"),
        "pl": "i w na z do nie to się że jest o jak ale przez dla od są po co tego tym lub oraz które może",
        "ro": "și de în la cu nu este pe un o din care pentru sau mai că sunt ca se prin după acest fi am",
        "tr": "ve bir bu için ile da de olarak çok daha gibi olan kadar ne var en ama değil ya mi sonra her",
    }.items()
}
SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("uk", re.compile("[іїєґІЇЄҐ]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
)
"""The rarer signs first: Japanese has Chinese characters too, Ukrainian has Russian letters."""
SCRIPT_SHARES = {"ja": 0.05, "uk": 0.03}
MIN_SCRIPT_SHARE = 0.3
SAMPLE_CHARS = 6_000
MIN_WORDS = 20
MIN_SHARE = 0.12
MIN_LEAD = 1.3
ASCII = re.compile(r"[\x00-\x7f]+")
WORD = re.compile(r"[^\W\d_]+")


def detect_language(text: str) -> str | None:
    """The ISO 639-1 code of the language of a markdown text, its code blocks aside; None when it cannot be told."""
    prose = "\n".join("\n".join(run) for is_code, run in sections(text[:SAMPLE_CHARS]) if not is_code)
    words = WORD.findall(prose.lower())
    return _by_script("".join(words)) or _by_stop_words(words)


def _by_script(letters: str) -> str | None:
    foreign = ASCII.sub("", letters)
    if len(foreign) < len(letters) * min(SCRIPT_SHARES.values()):
        return None
    for language, script in SCRIPTS:
        if len(script.findall(foreign)) > len(letters) * SCRIPT_SHARES.get(language, MIN_SCRIPT_SHARE):
            return language
    return None


def _by_stop_words(words: list[str]) -> str | None:
    if len(words) < MIN_WORDS:
        return None
    counts = Counter(words)
    scores = {language: sum(counts[word] for word in stop) for language, stop in STOP_WORDS.items()}
    (best, score), (_, second) = Counter(scores).most_common(2)
    return best if score >= len(words) * MIN_SHARE and score >= second * MIN_LEAD else None
