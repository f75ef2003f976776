"""Words, sentences and lengths in any language, and nothing of a text lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.text.folding import folded
from twin.text.segmentation import beginning, length, search_terms, sentence_spans, sentences, word_spans, words

TEXTS = st.text() | st.lists(
    st.sampled_from(
        [*"aB.?! \n\r()\"'。！「」1,_", "Dr. ", "e.g. ", "é", "e\u0301", "\u0301", "ß", "中", "は", "カ", "ｶ"]
    )
    | st.sampled_from(
        ["ไ", "ย์", "हि", "न्दी", "। ", "؟ ", "\U0001f468\u200d\U0001f469", "\U0001f1e9", "\ud800", "\u200b"]
    )
).map("".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop at 3.14, please.", ["Don't", "stop", "at", "3.14", "please"]),
        ("Fußgänger für zwei Straßen", ["Fußgänger", "für", "zwei", "Straßen"]),
        ("我爱北京。", ["我", "爱", "北", "京"]),
        ("私はPythonとデータが好き", ["私", "は", "Python", "と", "データ", "が", "好", "き"]),
        ("हिन्दी में लिखा हुआ।", ["हिन्दी", "में", "लिखा", "हुआ"]),
        ("مرحبا بالعالم، كيف؟", ["مرحبا", "بالعالم", "كيف"]),
        ("น้ำดื่ม", ["น้", "ำ", "ดื่", "ม"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("snake_case and __ and 👩\u200d👧", ["snake_case", "and", "and"]),
        ("", []),
    ],
)
def test_words_are_found_in_every_language(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The STRASSE of Straße", ["the", "strasse", "of", "strasse"]),
        ("北京市在中国。好", ["北京", "京市", "市在", "在中", "中国", "好"]),
        ("私はPythonが好き", ["私は", "python", "が好", "好き"]),
        ("ﾃﾞｰﾀ と ＰＤＦ", ["データ", "と", "pdf"]),
        ("ภาษา ไทย", ["ภา", "าษ", "ษา", "ไท", "ทย"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
    ],
)
def test_letters_that_are_a_word_each_are_searched_in_pairs(text: str, expected: list[str]) -> None:
    assert search_terms(text) == expected


@pytest.mark.parametrize(
    "expected",
    [
        ["It rains. ", "Why? ", "It is 3.14 m deep, e.g. here. ", "Ask Dr. Grace M. Hopper (she knows.) ", "Yes."],
        ["Er kam z. B. am Abend, vgl. Nr. 5. ", "Gut!"],
        ["我爱北京。", "你呢？", "好！"],
        ["私は猫です。", "名前はまだない。"],
        ["यह हिन्दी है। ", "क्या आप आएँगे? ", "हाँ।"],
        ["كيف حالك؟ ", "أنا بخير."],
        ["สวัสดีชาวโลก ไปกันเถอะ"],
        ["A title\n", "A line. ", "Its end Dr.\n", "Another\n", "\n... !"],
    ],
)
def test_sentences_are_found_in_every_language(expected: list[str]) -> None:
    assert sentences("".join(expected)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("naïve", 5),
        ("nai\u0308ve", 5),
        ("हिन्दी", 2),
        ("👨\u200d👩\u200d👧\u200d👦", 1),
        ("🇩🇪🇫🇷", 2),
        ("a\r\nb", 3),
        ("é\r\nb", 3),
        ("", 0),
    ],
)
def test_a_length_is_what_a_reader_counts(text: str, expected: int) -> None:
    assert length(text) == expected


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("word", 3, "wor"),
        ("nai\u0308ve", 3, "na"),
        ("नहि", 2, "न"),
        ("a🇩🇪🇫🇷", 4, "a🇩🇪"),
        ("e\u0301\u0302", 2, "e\u0301"),
        ("né", 9, "né"),
    ],
)
def test_a_beginning_tears_no_character(text: str, most: int, expected: str) -> None:
    assert beginning(text, most) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [("STRASSE", "Straße"), ("ＰＤＦ", "pdf"), ("ﾃﾞｰﾀ", "データ"), ("e\u0301", "É"), ("ﬁn", "FIN"), ("Σοφός", "ΣΟΦΌΣ")],
)
def test_spellings_of_one_word_are_folded_to_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_diacritics_tell_words_apart() -> None:
    assert folded("schon") != folded("schön")


@given(TEXTS)
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    assert folded(folded(text)) == folded(text)


@given(TEXTS)
def test_every_letter_and_digit_is_in_one_word(text: str) -> None:
    spans = list(word_spans(text))
    assert all(start < end for start, end in spans)
    assert all(one.end <= following.start for one, following in pairwise(spans))
    covered = {place for start, end in spans for place in range(start, end)}
    assert {place for place, char in enumerate(text) if char.isalnum()} <= covered


@given(TEXTS)
def test_sentences_joined_are_the_text(text: str) -> None:
    assert "".join(sentences(text)) == text
    assert all(start < end for start, end in sentence_spans(text))


@given(TEXTS)
def test_a_text_has_a_search_term_where_it_has_a_word(text: str) -> None:
    terms = search_terms(text)
    assert bool(terms) == bool(words(folded(text)))
    assert set("".join(terms)) == set("".join(words(folded(text))))


@given(TEXTS, st.integers(0, 20))
def test_a_beginning_and_its_rest_are_as_long_as_the_text(text: str, most: int) -> None:
    kept = beginning(text, most)
    assert len(kept) <= most
    assert text.startswith(kept)
    assert length(kept) <= length(text)


@pytest.mark.parametrize(
    "unit", ["a", "a.", ". ", "A. ", "Dr. ", ".\u0301", "\u200d", "\U0001f1e6", "ไ", "中", "a'", '("', " ", "... "]
)
def test_a_hostile_text_takes_time_in_line_with_its_length(unit: str) -> None:
    """What grew with the square of it would take minutes."""
    text = f"Begin. {unit * 20_000} End."
    assert words(text)[0] == "Begin"
    assert search_terms(text)[-1] == "end"
    assert "".join(sentences(text)) == text
    assert length(text) <= len(text)
