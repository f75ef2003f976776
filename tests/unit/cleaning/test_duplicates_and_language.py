"""Copies are told from other documents; languages are told apart or not told."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.cleaning import detect_language
from twin.cleaning.duplicates import copied_share, estimate, shingles, signature, text_hash

WORDS = [f"word{number}" for number in range(400)]


def test_documents_without_text_have_no_hash_and_blank_space_and_case_make_no_difference() -> None:
    assert text_hash("Some  Text\n") == text_hash("some text")
    assert text_hash("some text") != text_hash("some texts")
    assert text_hash(" \n") == ""


def shared(original: str, candidate: str) -> float | None:
    return copied_share(shingles(original), shingles(candidate))


TEXT = " ".join(WORDS[:200])


def test_a_cross_post_with_an_introduction_and_a_footer_is_a_copy() -> None:
    introduction, footer = "This was first published elsewhere, in my letter.", " ".join(WORDS[300:325])
    assert shared(TEXT, f"{introduction}\n\n{TEXT}\n\n{footer}") is not None


def test_a_few_edits_make_a_copy_and_many_make_another_document() -> None:
    def edited(step: int) -> str:
        return " ".join("edited" if number % step == 0 else word for number, word in enumerate(WORDS[:200]))

    assert shared(TEXT, edited(60)) is not None
    assert shared(TEXT, edited(20)) is None


def test_what_adds_nothing_is_a_copy_and_what_adds_much_is_none() -> None:
    preview = " ".join(WORDS[:130])
    assert shared(TEXT, preview) is not None
    assert shared(preview, TEXT) is None


def test_a_short_text_is_a_copy_of_no_text_that_differs() -> None:
    short = " ".join(WORDS[:49])
    assert signature(short) == b""
    assert shared(short, short) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ends here.The next", "ends here. The next"),
        ("end of oneStart of another", "end of one\n\nStart of another"),
        ("see [this](https://medium.com/p/1?source=x)", "see [this](https://a.substack.com/p/1)"),
        ("![a picture](/images/1.png)", "![a picture](https://cdn.example.org/2.webp)"),
        ("\u201cQuoted\u201d \u2013 *emphasis*", '"Quoted" - emphasis'),
    ],
)
def test_what_platforms_change_makes_no_difference(one: str, other: str) -> None:
    assert shingles(f"{one} {TEXT}") == shingles(f"{other} {TEXT}")


def test_texts_without_blanks_are_compared_by_their_characters() -> None:
    text = "".join(chr(0x4E00 + number * 7) for number in range(120))
    assert shared(text, text[:60] + "\u9999" + text[61:]) is not None
    assert shared(text, text[::-1]) is None


@given(st.integers(0, 200), st.sampled_from([0.0, 0.1, 0.2]))
def test_the_estimate_is_near_the_truth(shift: int, noise: float) -> None:
    one = WORDS[:200]
    other = [
        f"x{n}" if noise and n % round(1 / noise) == 0 else word for n, word in enumerate(WORDS[shift : shift + 200])
    ]
    first, second = " ".join(one), " ".join(other)
    common, together = shingles(first) & shingles(second), shingles(first) | shingles(second)
    assert estimate(signature(first), signature(second)) == pytest.approx(len(common) / len(together), abs=0.2)


def test_a_signature_is_the_same_on_every_machine_and_in_every_process() -> None:
    """Raise `cleaning.VERSION` when this changes: the signatures that warehouses hold can no longer be compared."""
    code = f"from twin.cleaning.duplicates import signature; print(signature({TEXT!r}).hex()[:64])"
    told = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert {line.decode().strip() for line in told} == {signature(TEXT).hex()[:64]}
    assert signature(TEXT).hex()[:64] == "01915c0f475d7b0fd830c208220c6d07cfb5894550cc2513465e3d1b0f48050d"


SAMPLES = {
    "en": "The engine has no pretensions to originate anything. It can do whatever we know how to order it to perform, "
    "and it is for us to say what that is.",
    "de": "Die Maschine erhebt nicht den Anspruch, etwas zu erschaffen. Sie kann alles tun, was wir ihr zu befehlen "
    "wissen, und es ist an uns, das zu sagen, auch wenn es nicht leicht ist.",
    "fr": "La machine ne prétend pas créer quelque chose. Elle peut faire tout ce que nous savons lui ordonner, et "
    "c'est à nous de dire ce que nous voulons pour les autres et pour nous.",
    "es": "La máquina no pretende crear nada. Puede hacer todo lo que sepamos ordenarle, y es a nosotros a quienes "
    "toca decir qué es lo que queremos para los demás y por qué.",
    "ru": "Машина не претендует на то, чтобы создавать что-то новое.",
    "ja": "機械は何かを生み出すことを主張しません。",
    "zh": "机器并不声称能够创造任何东西。",
}
CODE = "```python\n" + "the of and to in is that it for with\n" * 5 + "```"


@pytest.mark.parametrize("language", SAMPLES)
def test_the_language_is_told(language: str) -> None:
    assert detect_language(SAMPLES[language]) == language


@pytest.mark.parametrize("text", ["", "Short text.", CODE, "1 2 3"])
def test_of_too_little_text_nothing_is_said(text: str) -> None:
    assert detect_language(text) is None
