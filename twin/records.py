"""The domain's types. Ids are deterministic, so writing a record twice is writing it once."""

from __future__ import annotations

import hashlib
import re
import unicodedata
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from twin.text.links import without_targets

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "NAMESPACE",
    "Author",
    "Chunk",
    "CleanedDocument",
    "Document",
    "EmbeddedChunk",
    "Gone",
    "InstructSample",
    "Interaction",
    "ModelVersion",
    "Passage",
    "Rejected",
    "ReviewState",
    "Source",
    "Unchanged",
    "Visit",
    "Withheld",
    "chunk_id",
    "content_hash",
    "document_id",
    "slug",
    "utcnow",
]

NAMESPACE = uuid.UUID("5d6bfa4e-52c1-5b3d-9a57-6c3f2f1f9a10")
"""The uuid5 namespace of every id. Changing it makes every stored id a stranger."""

DocumentKind = Literal["article", "post", "repository"]
Split = Literal["train", "test"]


def document_id(location: str) -> str:
    """The id of the document at a canonical location (an absolute URL or path)."""
    return str(uuid.uuid5(NAMESPACE, location))


def chunk_id(document: str, revision: int, ordinal: int) -> str:
    """The id of the `ordinal`-th chunk of one revision of a document."""
    return str(uuid.uuid5(NAMESPACE, f"{document}/{revision}/{ordinal}"))


def content_hash(*parts: str | None) -> str:
    """sha256 over the parts in order, each length-prefixed so that no two lists collide by concatenation."""
    digest = hashlib.sha256()
    for part in parts:
        data = (part or "").encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def slug(name: str) -> str:
    """A name as an id: lower-case ASCII words joined by hyphens; names without ASCII fall back to a hash."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")
    return words or hashlib.sha256(name.encode()).hexdigest()[:12]


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """A person whose voice the twin has."""

    name: str

    @property
    def id(self) -> str:
        return slug(self.name)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A place that documents come from."""

    kind: str
    """The collector that reads it, for example `folder`, `feed` or `article`."""
    location: str
    """Canonical: an absolute path or URL."""
    author: str | None = None
    """Whose documents they are, where a document does not say so itself."""
    include: tuple[str, ...] = ()
    """Only the files that one of these patterns matches, in the syntax of .gitignore; none: all files."""
    exclude: tuple[str, ...] = ()
    """Not the files that these patterns match, in the syntax of .gitignore."""
    include_drafts: bool = False
    """Whether drafts and what is not yet, or no longer, published come in too."""
    named_in: str | None = None
    """The configuration file that alone names it; None where a command named it."""

    @property
    def id(self) -> str:
        return document_id(f"source:{self.kind}:{self.location}")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document as collected: its text is markdown with the author's structure kept."""

    id: str
    url: str
    """The canonical location, and what citations point to."""
    source_id: str
    author: str
    title: str
    content: str
    kind: DocumentKind = "article"
    platform: str = "file"
    """Where it was published: a host name, or `file`."""
    published_at: datetime | None = None
    language: str | None = None
    revision: int = 1
    """Counts the changes of the content, from 1."""
    left_out: dict[str, int] = {}
    """How many pieces of each kind are not in the content, as they are not for readers, for example `{"comment": 2}`;
    the pieces themselves are never kept."""
    expires_at: datetime | None = None
    """From when on its author shows it no more."""

    @property
    def hash(self) -> str:
        """Changes exactly when something that a reader or a model sees changes."""
        published = self.published_at.isoformat() if self.published_at else None
        return content_hash(
            self.title,
            self.content,
            self.author,
            self.url,
            self.kind,
            self.platform,
            published,
            self.language,
        )


class CleanedDocument(Document, frozen=True, kw_only=True):
    """A document after cleaning: boilerplate gone, secrets and personal data replaced by typed placeholders."""

    raw_hash: str
    """`Document.hash` of what was cleaned."""
    redactions: dict[str, int] = {}
    """How many of each kind were replaced, for example `{"EMAIL": 2}`; the values themselves are never kept."""
    text_hash: str = ""
    """Of the content, blank space and letter case aside; equal for copies, empty for a document without text."""
    duplicate_of: str | None = None
    """The id of the canonical document when this is a copy; copies go no further."""
    similarity: float | None = None
    """Of a copy: what share of both texts is in both, 1.0 for the same text."""
    signature: bytes = b""
    """Estimates how much two texts share, see `twin.cleaning.duplicates`; empty for a short text."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A passage of a document that fits the embedding model's input whole."""

    id: str
    document_id: str
    revision: int
    ordinal: int
    text: str
    heading_path: list[str] = []
    """The headings above the passage, outermost first."""
    token_count: int
    """Tokens of `embedding_text`, special tokens included."""
    title: str
    url: str
    author: str
    kind: DocumentKind = "article"
    platform: str = "file"
    published_at: datetime | None = None
    language: str | None = None

    @property
    def embedding_text(self) -> str:
        """What is embedded and searched: the passage under its title and headings, without where its links lead."""
        context = " > ".join(dict.fromkeys([self.title, *self.heading_path]))
        return without_targets(f"{context}\n\n{self.text}" if context else self.text)


class EmbeddedChunk(msgspec.Struct, frozen=True, kw_only=True):
    """The vector of one chunk. The chunk itself stays in the chunks dataset."""

    chunk_id: str
    document_id: str
    text_hash: str
    """`content_hash(embedding_text)`: what the vector was computed from."""
    vector: bytes
    """Unit length; float32, little-endian."""

    @property
    def array(self) -> np.ndarray:
        """The vector as numbers, shape (dimensions,)."""
        import numpy as np

        return np.frombuffer(self.vector, dtype="<f4")


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A retrieved chunk, or neighbouring chunks joined, with what the search says of it."""

    chunk_id: str
    """Of the best chunk where several are joined."""
    document_id: str
    text: str
    heading_path: list[str]
    title: str
    url: str
    author: str
    score: float
    """What the ranking goes by; higher is better. Comparable among the passages of one search and nowhere else: the
    index gives that of the fused ranks, the default reranker a weighted mean from 0 to 1, a cross-encoder its own."""
    relevance: float | None = None
    """Probability that the passage is about the question, 0 to 1; comparable between questions."""
    similarity: float | None = None
    """Cosine similarity to the question, -1 to 1, where it is known."""
    bm25: float | None = None
    """BM25 score, above 0; None when the passage has none of the question's words."""
    revision: int | None = None
    ordinal: int | None = None
    """Its place among the passages of its document's revision, as `chunk_id` takes it; of the first where joined."""
    published_at: datetime | None = None
    merged: list[str] = []
    """Ids of the chunks that are joined in it, in their order; empty for one alone."""


class InstructSample(msgspec.Struct, frozen=True, kw_only=True):
    """An instruction, and the author's own passage that answers it."""

    id: str
    instruction: str
    answer: str
    author: str
    document_id: str
    chunk_id: str
    split: Split
    context: list[str] = []
    """Passages shown in the prompt, in the serving prompt's format; empty for a sample without retrieval."""
    writer: str
    """What wrote the instruction: a model, or `structure` where it is made from title and headings."""
    method: str = ""
    """How it came about: `heading`, `keywords`, `written`, `continuation` or `last resort`."""
    rank: int | None = None
    """Where its passage or a direct neighbour stands, from 1, when the twin's own search is asked the instruction."""
    pmi: float | None = None
    """Nats that each token of the passage becomes likelier by, once the base model is given the instruction instead of
    a bare "Write something."; None where that was not measured."""
    candidates: int = 0
    """Instructions that were looked at for this passage."""
    history: list[tuple[str, str]] = []
    """Earlier questions and answers of the same conversation, oldest first; mostly none."""


ReviewState = Literal["none", "pending", "approved", "rejected", "unverified"]
"""`unverified`: the registry has it as decided, and no reviewer's signature stands behind that."""


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version in the model registry."""

    name: str
    version: str
    """Semantic, for example `1.3.0`."""
    status: str
    """`Development`, `Production`, ... : Comet's single status of a version."""
    tags: list[str] = []
    review: ReviewState = "none"
    """Where the request to move to `Production` stands."""
    approved_by: list[str] = []
    """The people whose approvals count, whether they are enough or not."""
    waived: bool = False
    """Nobody reviewed it: each approval that counts is a waiver."""
    manifest: dict = {}
    """The small JSON that was registered: uri, sha256, dataset_version, base_model, hyperparameters, scores."""
    created_at: datetime | None = None


class GuardFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What a guard found in an interaction. It tells what and never the text."""

    guard: str
    direction: Literal["question", "passage", "answer"]
    kind: str
    action: Literal["flag", "redact", "block"]
    score: float
    version: str
    count: int = 1
    """In how many places."""
    chunk_id: str | None = None
    """Of the passage, where it was found in one."""


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """One question and what became of it. Written to MongoDB by the app, whatever happens to its trace."""

    id: str
    trace_id: str
    created_at: datetime
    question: str
    author: str | None
    answer: str
    status: Literal["answered", "nothing_found", "refused", "interrupted", "failed"]
    passages: list[Passage] = []
    model_version: str | None = None
    index_generation: str | None = None
    usage: dict[str, int] = {}
    """`prompt_tokens`, `completion_tokens`."""
    timings: dict[str, float] = {}
    """Milliseconds: `retrieval`, `prompt`, `generation`, `time_to_first_token`, `total`."""
    error: str | None = None
    verdict: Literal["answer", "nearest", "nothing"] | None = None
    """What the search decided; None where it did not come to that."""
    vector: bytes | None = None
    """Of the question, in half precision, see `twin.monitoring.drift`. Kept when the texts are not."""
    relevance: float | None = None
    """Of the best passage that was found, shown to the model or not; 0 to 1."""
    support: float | None = None
    """Share of the answer's sentences that a passage supports."""
    findings: list[GuardFinding] = []
    """What the guards found, whatever was done about it."""


def utcnow() -> datetime:
    """The default clock; everything that needs the time takes one as an argument."""
    return datetime.now(UTC)


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A document that collection did not bring in, and why."""

    url: str
    reason: str
    refused: bool
    """True when we decided not to take it; False when it could not be fetched or read."""


class Withheld(msgspec.Struct, frozen=True, kw_only=True):
    """What is not for readers, by its author's or the user's own word: a draft, a private page, an excluded file.

    Documents that it gave before are removed, however many they are.
    """

    url: str
    reason: str
    below: bool = False
    """Whether it is a folder that stands for everything in it; `url` then ends with a slash."""
    until: datetime | None = None
    """From when on it is for readers, where that is known."""


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """A document of which the source itself says that it is no more, for example by HTTP status 410."""

    url: str
    reason: str


class Unchanged(msgspec.Struct, frozen=True, kw_only=True):
    """What the source shows as it was at the last look, told without reading it again."""

    url: str | None = None
    """The location of one document; None for every document that the source has."""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one look at one place, so that the next look can ask whether it changed."""

    url: str
    """The place as it is asked for: a page, a feed, a file, a repository."""
    reader: str
    """Version of the code that read it; what another version has read is read again."""
    documents: list[str] = []
    """The locations of the documents that it gave."""
    etag: str | None = None
    last_modified: str | None = None
    """As the server sent them, to be sent back in a conditional request."""
    digest: str | None = None
    """Of what was read: a body's sha256, a file's size and time, a repository's commit, an entry's hash."""
    listed: str | None = None
    """What the place that lists this one said of it, for example a sitemap's `lastmod`: the same again, and it need not
    be looked at."""
    until: datetime | None = None
    """From then on it is read again, changed or not: a document that it gave expires, or one comes out."""
    checked_at: datetime | None = None
    """When the run began that last found it so. The memory sets it; a collector leaves it out."""
