"""Fixed sentences in the language of the question."""

from __future__ import annotations

import pytest

from twin.rag.sayings import SAYINGS, in_language_of


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Have you written about gardening?", "en"),
        ("Wie oft gießt man eigentlich einen Kaktus?", "de"),
        ("¿Con qué frecuencia se riega un cactus?", "es"),
        ("À quelle fréquence faut-il arroser un cactus ?", "fr"),
        ("仙人掌多久浇一次水？", "zh"),
        ("कैक्टस को कितनी बार पानी देना चाहिए?", "hi"),
        ("كم مرة يجب سقي الصبار؟", "ar"),
        ("Как часто поливать кактус?", "ru"),
        ("サボテンにはどのくらいの頻度で水をやりますか？", "ja"),
        ("tattoos", "en"),
    ],
)
def test_language_of_the_sentences(question: str, language: str) -> None:
    assert in_language_of(question) is SAYINGS[language]


def test_every_language_says_everything() -> None:
    for sayings in SAYINGS.values():
        assert "“Chunks”" in sayings.nearest(["Chunks", "Chunks"], [])
        assert "“Slack”" in sayings.nearest(["Chunks"], ["Slack"])
        assert sayings.nothing
        assert sayings.unfinished
