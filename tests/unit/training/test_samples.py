"""Labels, with a tokenizer of one token per word whose padding token ends turns, as in the default base model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from twin.errors import TrainingFailed
from twin.training.program.samples import IGNORED, Message, Sample, encode, fitting, prepare, read

if TYPE_CHECKING:
    from pathlib import Path

END = 0


class WordTokenizer:
    """A word is a token; `<end>` both ends a turn and pads."""

    eos_token_id = END
    pad_token_id = END

    def __init__(self, *, trailing: str = "\n", generation_prompt: str = "assistant") -> None:
        self.words = {"<end>": END}
        self.trailing = trailing
        self.generation_prompt = generation_prompt

    def apply_chat_template(self, messages: list[dict[str, str]], *, add_generation_prompt: bool, **_: Any) -> str:
        turns = [f"{turn['role']} {turn['content']} <end> {self.trailing}" for turn in messages]
        return " ".join([*turns, self.generation_prompt] if add_generation_prompt else turns)

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        words = text.replace("\n", "<newline>").split()
        return {"input_ids": [self.words.setdefault(word, len(self.words)) for word in words]}


def sample(question: str = "who", answer: str = "it is me") -> Sample:
    return Sample([Message("user", question)], [Message("assistant", answer)])


def labelled_words(tokenizer: WordTokenizer, labels: list[int]) -> list[str]:
    names = {number: word for word, number in tokenizer.words.items()}
    return [names[label] for label in labels if label != IGNORED]


def test_only_the_answer_is_learned_and_so_is_its_end() -> None:
    tokenizer: Any = WordTokenizer()
    encoded = encode(sample(), tokenizer)
    assert labelled_words(tokenizer, encoded.labels) == ["it", "is", "me", "<end>"]
    assert len(encoded.labels) == len(encoded.input_ids)


def test_the_end_of_the_prompts_own_turns_is_not_learned() -> None:
    tokenizer: Any = WordTokenizer()
    encoded = encode(sample(), tokenizer)
    assert encoded.input_ids.count(END) == 2
    assert encoded.labels.count(END) == 1


def test_the_end_is_read_but_not_learned_where_the_recipe_leaves_it_out() -> None:
    tokenizer: Any = WordTokenizer()
    whole, without = (prepare([sample()], tokenizer, 20, learn_end=learn).samples[0] for learn in (True, False))
    assert without.input_ids == whole.input_ids
    assert whole.labels[-1] == tokenizer.eos_token_id
    assert without.labels == [*whole.labels[:-1], IGNORED]


def test_a_template_without_an_end_token_keeps_the_whole_answer() -> None:
    tokenizer: Any = WordTokenizer(trailing="")
    tokenizer.eos_token_id = 999
    assert labelled_words(tokenizer, encode(sample(), tokenizer).labels) == ["it", "is", "me", "<end>"]


def test_a_template_that_renders_the_prompt_in_two_ways_is_refused() -> None:
    tokenizer: Any = WordTokenizer(generation_prompt="think assistant")
    with pytest.raises(TrainingFailed, match="chat template"):
        encode(sample(), tokenizer)


def test_a_sample_that_the_template_changes_stops_no_other() -> None:
    class Trimming(WordTokenizer):
        def apply_chat_template(self, messages: list[dict[str, str]], **options: Any) -> str:
            moody = "changed" if any(turn["content"] == "odd" for turn in messages) else ""
            return moody + super().apply_chat_template(messages, **options)

    tokenizer: Any = Trimming()
    assert prepare([sample(), sample(answer="odd")], tokenizer, max_length=20).facts == {
        "samples": 1,
        "tokens": 9,
        "too_long": 0,
        "unlike_served": 1,
    }


def test_samples_that_do_not_fit_are_left_out_whole_and_counted() -> None:
    tokenizer: Any = WordTokenizer()
    prepared = prepare([sample(), sample(answer="word " * 100)], tokenizer, max_length=20)
    assert prepared.facts == {"samples": 1, "tokens": 9, "too_long": 1}


def test_when_no_sample_fits_the_setting_to_raise_is_named() -> None:
    tokenizer: Any = WordTokenizer()
    with pytest.raises(TrainingFailed, match=r"None of the 1 training samples fits 5 tokens.*TRAINING_MAX_LENGTH"):
        prepare([sample()], tokenizer, max_length=5)
    assert fitting([sample()], tokenizer, max_length=5).facts == {"samples": 0, "tokens": 0, "too_long": 1}


@pytest.mark.parametrize("content", [None, "", "\n\n"])
def test_a_channel_may_be_empty(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "test.jsonl").write_text(content)
    assert read(tmp_path) == []


def test_a_broken_line_is_named_by_file_and_number(tmp_path: Path) -> None:
    good = {"prompt": [{"role": "user", "content": "who"}], "completion": [{"role": "assistant", "content": "me"}]}
    (tmp_path / "train.jsonl").write_text(f'{json.dumps(good)}\n\n{{"prompt": "not messages"}}\n')
    with pytest.raises(TrainingFailed, match=r"train\.jsonl line 3"):
        read(tmp_path)
