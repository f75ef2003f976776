"""Rows that belong to documents, kept in step with those, a shard at a time.

A dataset's rows lie in a fixed number of shards by the hash of the document id. A shard is a Parquet file named by its
own sha256; the manifest says which shards are current. Writing a changed dataset writes the changed shards and then
replaces the manifest, so that readers see the old dataset or the new one, whole. While it is being written, a staged
manifest records the shards that are done: an interrupted `sync` goes on from there.
"""

from __future__ import annotations

import hashlib
import io
import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from twin.artifacts.parquet import from_table, to_table
from twin.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from twin.artifacts.files import Files

__all__ = ["Dataset", "SyncReport"]

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=msgspec.Struct)
SHARDS = 16


class SyncReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one `Dataset.sync` did, in documents, and what the dataset then holds."""

    added: int
    changed: int
    removed: int
    unchanged: int
    rows: int
    data_version: str

    @property
    def is_noop(self) -> bool:
        return not (self.added or self.changed or self.removed)


class _Shard(msgspec.Struct, frozen=True, kw_only=True):
    file: str | None
    rows: int
    documents: dict[str, str]
    """Document id to the fingerprint of the input that its rows came from."""


class _Manifest(msgspec.Struct, kw_only=True):
    record: str
    shards: dict[str, _Shard]
    fields: dict[str, str] = {}
    """The type of each field of the record as it was when the shards were written."""

    def fingerprints(self) -> dict[str, str]:
        return {key: value for shard in self.shards.values() for key, value in shard.documents.items()}

    def data_version(self) -> str:
        content = sorted((key, shard.file) for key, shard in self.shards.items() if shard.file)
        return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:32]


class Dataset(Generic[R]):
    """Rows of one record type, grouped by the document that they come from."""

    def __init__(self, store: Files, path: str, record: type[R]) -> None:
        self._store = store
        self._path = path
        self._record = record

    @property
    def data_version(self) -> str:
        """Changes exactly when a row changes."""
        return self._manifest().data_version()

    def fingerprints(self) -> dict[str, str]:
        """Document id to the fingerprint of the input that its rows came from."""
        return self._manifest().fingerprints()

    def count(self) -> int:
        """The number of rows."""
        return sum(shard.rows for shard in self._manifest().shards.values())

    def rows(self, document_ids: Collection[str] | None = None) -> Iterator[R]:
        """All rows, or those of some documents, one shard in memory at a time. The order is stable."""
        for rows in self.shards(document_ids):
            yield from rows

    def shards(self, document_ids: Collection[str] | None = None) -> Iterator[list[R]]:
        """What `rows` gives, a shard at a time."""
        wanted = None if document_ids is None else set(document_ids)
        keys = None if wanted is None else {_shard_of(document) for document in wanted}
        for key, shard in sorted(self._manifest().shards.items()):
            if keys is None or key in keys:
                rows = self._read(shard)
                yield rows if wanted is None else [row for row in rows if _document_of(row) in wanted]

    def sync(
        self,
        inputs: Mapping[str, str],
        derive: Callable[[Sequence[str]], Iterable[tuple[str, list[R]]]],
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> SyncReport:
        """Brings the dataset in step with its inputs.

        Args:
            inputs: Every document that should be represented, and the fingerprint of what its rows derive from.
            derive: Makes the rows of the given documents; called only with new and changed ones. One that it does not
                give is left out, and asked for again at the next call.
            on_progress: Told after each shard: documents derived, documents to derive.

        Returns:
            What changed. When nothing did, nothing is written.
        """
        current, staged = self._manifest(), self._staged()
        before = current.fingerprints()
        todo = {key for key in inputs if staged.fingerprints().get(key) != inputs[key]}
        done = 0
        for key in (f"{number:02d}" for number in range(SHARDS)):
            wanted = {document: inputs[document] for document in sorted(inputs) if _shard_of(document) == key}
            shard = staged.shards.get(key)
            if (shard.documents if shard else {}) == wanted:
                continue
            stale = [document for document in wanted if document in todo]
            staged.shards[key] = self._write_shard(shard, wanted, stale, derive)
            self._store.write(f"{self._path}/staged.json", msgspec.json.encode(staged))
            done += len(stale)
            if on_progress:
                on_progress(done, len(todo))
        held = staged.fingerprints()
        if staged != current:
            staged.fields = _types(self._record)
            self._store.write(f"{self._path}/manifest.json", msgspec.json.encode(staged))
            self._collect_garbage(current, staged)
        self._store.remove(f"{self._path}/staged.json")
        return SyncReport(
            added=len(held.keys() - before.keys()),
            changed=sum(before[key] != held[key] for key in held.keys() & before.keys()),
            removed=len(before.keys() - held.keys()),
            unchanged=sum(before[key] == held[key] for key in held.keys() & before.keys()),
            rows=sum(shard.rows for shard in staged.shards.values()),
            data_version=staged.data_version(),
        )

    def _write_shard(
        self,
        shard: _Shard | None,
        wanted: dict[str, str],
        stale: list[str],
        derive: Callable[[Sequence[str]], Iterable[tuple[str, list[R]]]],
    ) -> _Shard:
        """Keeps the rows of unchanged documents, derives the rest, and stores the shard under its content's hash."""
        kept = wanted.keys() - set(stale)
        rows = [row for row in self._read(shard) if _document_of(row) in kept] if kept else []
        documents = {document: wanted[document] for document in wanted if document in kept}
        for document, derived in derive(stale) if stale else ():
            if document not in wanted:
                raise ArtifactError(f"Rows of {document} were derived for {self._path}, but nobody asked for them.")
            rows.extend(derived)
            documents[document] = wanted[document]
        if not rows:
            return _Shard(file=None, rows=0, documents=documents)
        rows.sort(key=_row_order)
        content = _parquet(rows, self._record)
        name = hashlib.sha256(content).hexdigest()
        self._store.write(f"{self._path}/shards/{name}.parquet", content)
        return _Shard(file=name, rows=len(rows), documents=documents)

    def _read(self, shard: _Shard | None) -> list[R]:
        if shard is None or shard.file is None:
            return []
        content = self._store.read(f"{self._path}/shards/{shard.file}.parquet")
        if content is None:
            raise ArtifactError(f"Shard {shard.file} of {self._path} is missing in {self._store.url}.")
        import pyarrow.parquet as pq

        return from_table(pq.read_table(io.BytesIO(content)), self._record)

    def _manifest(self) -> _Manifest:
        return self._stored_manifest("manifest.json") or _Manifest(
            record=self._record.__name__, shards={}, fields=_types(self._record)
        )

    def _staged(self) -> _Manifest:
        return self._stored_manifest("staged.json") or self._manifest()

    def _stored_manifest(self, name: str) -> _Manifest | None:
        """The manifest, unless its rows cannot be read as the record is now: then they are derived anew."""
        stored = self._store.read(f"{self._path}/{name}")
        if stored is None:
            return None
        try:
            manifest = msgspec.json.decode(stored, type=_Manifest)
        except msgspec.DecodeError as error:
            logger.warning("%s/%s cannot be read, so its rows are derived anew: %s", self._path, name, error)
            return None
        return manifest if _readable(manifest.fields, self._record) else None

    def _collect_garbage(self, previous: _Manifest, current: _Manifest) -> None:
        """Removes shards that neither this nor the previous manifest names; a reader may still be on the previous."""
        named = {shard.file for manifest in (previous, current) for shard in manifest.shards.values()}
        for name in self._store.names(f"{self._path}/shards"):
            if name.endswith(".parquet") and name.removesuffix(".parquet") not in named:
                self._store.remove(f"{self._path}/shards/{name}")


def _types(record: type[msgspec.Struct]) -> dict[str, str]:
    return {field.name: str(field.type) for field in msgspec.structs.fields(record)}


def _readable(stored: Mapping[str, str], record: type[msgspec.Struct]) -> bool:
    """Whether rows whose fields had these types can be read as the record: fields with a default may be missing."""
    fields = msgspec.structs.fields(record)
    return all(stored.get(field.name, "") == str(field.type) for field in fields if field.required) and all(
        stored[field.name] == str(field.type) for field in fields if field.name in stored
    )


def _shard_of(document: str) -> str:
    return f"{int.from_bytes(hashlib.sha256(document.encode()).digest()[:4], 'big') % SHARDS:02d}"


def _document_of(row: Any) -> str:
    return row.document_id


def _row_order(row: Any) -> tuple[str, int, str]:
    return row.document_id, getattr(row, "ordinal", 0), getattr(row, "id", "")


def _parquet(rows: list[Any], record: type[msgspec.Struct]) -> bytes:
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(to_table(rows, record), buffer, compression="zstd")
    return buffer.getvalue()
