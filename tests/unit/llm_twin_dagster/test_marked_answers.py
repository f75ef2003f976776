"""What `llm-twin ask` prints of an answer: marks on what no passage says, and whether it is cut."""

from __future__ import annotations

from llm_twin_dagster.cli.questions import marked

SENTENCES = [
    {"text": "Chunks follow headings. ", "supported": True},
    {"text": "Bananas are yellow.", "supported": False},
]


def test_an_unsupported_sentence_is_marked_and_the_mark_explained() -> None:
    answer = {"answer": "…", "sentences": SENTENCES, "finish_reason": "stop"}
    assert marked(answer) == "Chunks follow headings. Bananas are yellow. [?]\n\n[?] No passage says this."


def test_an_answer_that_was_cut_says_so_in_its_language() -> None:
    answer = {
        "answer": "Die Abschnitte folgen den Überschriften des Dokuments, und",
        "sentences": SENTENCES[:1],
        "finish_reason": "length",
    }
    assert "Diese Antwort ist nicht zu Ende." in marked(answer)


def test_a_supported_answer_is_printed_as_it_is() -> None:
    assert marked({"answer": "x", "sentences": SENTENCES[:1], "finish_reason": "stop"}) == "Chunks follow headings."
