"""A cross-encoder of sentence-transformers as the reranker: a real one, tiny, with weights of chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twin.errors import SettingsError
from twin.features import embedding
from twin.records import Passage
from twin.retrieval.ranking import open_reranker
from twin.settings import EmbeddingSettings, read

if TYPE_CHECKING:
    from pathlib import Path


def passage(text: str) -> Passage:
    return Passage(
        chunk_id=text, document_id="d", text=text, heading_path=[], title="T", url="u", author="a", score=0.0, bm25=1.0
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("cross-encoder")
    tokenizer = embedding.load(read(EmbeddingSettings)).folder / "tokenizer.json"
    PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer), pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_the_models_score_orders_the_passages(model: Path) -> None:
    reranker = open_reranker(str(model))
    reranker.warm()
    passages = [
        passage("Chunks follow headings."),
        passage("Bread rests overnight."),
        passage("The index is published."),
    ]
    ranked = reranker.rerank("How is the index published?", passages)
    scores = [shown.score for shown in ranked]
    assert sorted(shown.text for shown in ranked) == sorted(one.text for one in passages)
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3
    assert reranker.rerank("How is the index published?", list(reversed(passages))) == ranked
    assert reranker.rerank("anything", []) == []


def test_a_model_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="RERANKER_MODEL"):
        open_reranker(str(tmp_path)).rerank("q", [passage("p")])
