"""The artifact store: datasets and folders, on a local disk or any fsspec file system (S3 on AWS).

A dataset's rows belong to documents and lie in a fixed number of shards by the hash of the document id. A shard is a
Parquet file named by its own sha256; the manifest says which shards are current. Writing a changed dataset writes the
changed shards and then replaces the manifest, so that readers see the old dataset or the new one, whole. While it is
being written, a staged manifest records the shards that are done: an interrupted `sync` goes on from there.

    datasets/<name>/manifest.json          what is current
    datasets/<name>/staged.json            what an unfinished sync has done so far
    datasets/<name>/shards/<sha256>.parquet
    folders/<name>/...                     with manifest.json, written last, naming every file and its sha256
"""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from twin.artifacts.parquet import from_table, to_table
from twin.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from fsspec import AbstractFileSystem

__all__ = ["ArtifactStore", "Dataset", "FolderManifest", "SyncReport"]

R = TypeVar("R", bound=msgspec.Struct)
SHARDS = 16
FOLDER_MANIFEST = "manifest.sha256.json"


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


class FolderManifest(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a stored folder."""

    files: dict[str, str]
    """Relative path to sha256."""

    @property
    def version(self) -> str:
        return hashlib.sha256(msgspec.json.encode(sorted(self.files.items()))).hexdigest()


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


class ArtifactStore:
    """Datasets and folders under one URL.

    Args:
        url: A folder, or any fsspec URL such as `s3://bucket/prefix`.
        cache: Where folders of a remote store are downloaded to.
    """

    def __init__(self, url: str, *, cache: Path | None = None) -> None:
        self.url = url
        self._cache = cache

    def dataset(self, name: str, record: type[R]) -> Dataset[R]:
        """The dataset of that name; it is empty until its first sync."""
        return Dataset(self, f"datasets/{name}", record)

    def exists(self, name: str) -> bool:
        """Whether a folder of that name was stored whole."""
        return self.read(f"folders/{name}/{FOLDER_MANIFEST}") is not None

    def put_folder(self, name: str, folder: Path) -> FolderManifest:
        """Stores a folder; its manifest goes last, so a folder without one is not there yet.

        Storing the same content again writes nothing.
        """
        manifest = FolderManifest(files={path: _sha256(folder / path) for path in _files_of(folder)})
        stored = self.read(f"folders/{name}/{FOLDER_MANIFEST}")
        if stored is not None and msgspec.json.decode(stored, type=FolderManifest) == manifest:
            return manifest
        self.remove(f"folders/{name}/{FOLDER_MANIFEST}")  # while other files replace the old ones, it is not there
        for path in manifest.files:
            self._put_file(folder / path, f"folders/{name}/{path}")
        self.write(f"folders/{name}/{FOLDER_MANIFEST}", msgspec.json.encode(manifest))
        return manifest

    def get_folder(self, name: str) -> Path:
        """A local folder with the stored files, each checked against its sha256.

        Raises:
            ArtifactError: There is no such folder, or a file is missing or damaged.
        """
        stored = self.read(f"folders/{name}/{FOLDER_MANIFEST}")
        if stored is None:
            raise ArtifactError(f"There is no folder {name!r} in {self.url}. Materialize the asset that makes it.")
        manifest = msgspec.json.decode(stored, type=FolderManifest)
        local = self._local_path(f"folders/{name}") or self._download(name, manifest)
        for path, digest in manifest.files.items():
            if not (local / path).is_file() or _sha256(local / path) != digest:
                raise ArtifactError(
                    f"{local / path} is missing or not what was stored. Delete the folder and make it again."
                )
        return local

    def delete_folder(self, name: str) -> None:
        """Removes a stored folder; its manifest goes first, so it is never seen half deleted."""
        fs, base = self._file_system()
        manifest = f"{base}/folders/{name}/{FOLDER_MANIFEST}"
        if fs.exists(manifest):
            fs.rm(manifest)
            fs.rm(f"{base}/folders/{name}", recursive=True)

    def read(self, path: str) -> bytes | None:
        """The bytes of a file in the store, or None if there is none."""
        fs, base = self._file_system()
        try:
            return fs.cat_file(f"{base}/{path}")
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        """Writes a file so that readers see it whole or not at all."""
        local = self._local_path(path)
        if local is None:
            fs, base = self._file_system()
            fs.pipe_file(f"{base}/{path}", content)  # a PUT of an object store is atomic
            return
        local.parent.mkdir(parents=True, exist_ok=True)
        staging = local.with_name(f".{local.name}.{uuid.uuid4().hex}")
        staging.write_bytes(content)
        staging.replace(local)

    def remove(self, path: str) -> None:
        """Removes a file if it is there."""
        fs, base = self._file_system()
        if fs.exists(f"{base}/{path}"):
            fs.rm_file(f"{base}/{path}")

    def names(self, folder: str) -> list[str]:
        """The names of what lies directly in a folder of the store."""
        fs, base = self._file_system()
        try:
            return sorted(Path(entry).name for entry in fs.ls(f"{base}/{folder}", detail=False))
        except FileNotFoundError:
            return []

    def _file_system(self) -> tuple[AbstractFileSystem, str]:
        from fsspec.core import url_to_fs

        return url_to_fs(self.url)

    def _local_path(self, path: str) -> Path | None:
        if "://" in self.url and not self.url.startswith("file://"):
            return None
        return Path(self.url.removeprefix("file://")).expanduser().resolve() / path

    def _put_file(self, source: Path, path: str) -> None:
        local = self._local_path(path)
        if local is None:
            fs, base = self._file_system()
            fs.put_file(str(source), f"{base}/{path}")
            return
        import shutil

        local.parent.mkdir(parents=True, exist_ok=True)
        staging = local.with_name(f".{local.name}.{uuid.uuid4().hex}")
        shutil.copyfile(source, staging)
        staging.replace(local)

    def _download(self, name: str, manifest: FolderManifest) -> Path:
        if self._cache is None:
            raise ArtifactError(f"{self.url} is remote and no cache folder is set to download {name!r} to.")
        fs, base = self._file_system()
        target = self._cache / name / manifest.version[:16]
        for path in manifest.files:
            if not (target / path).exists():
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                staging = target / f"{path}.part"
                fs.get_file(f"{base}/folders/{name}/{path}", str(staging))
                staging.replace(target / path)
        return target


class Dataset(Generic[R]):
    """Rows of one record type, grouped by the document that they come from."""

    def __init__(self, store: ArtifactStore, path: str, record: type[R]) -> None:
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
            derive: Makes the rows of the given documents; called only with new and changed ones.
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
        if staged != current:
            staged.fields = _types(self._record)
            self._store.write(f"{self._path}/manifest.json", msgspec.json.encode(staged))
            self._collect_garbage(current, staged)
        self._store.remove(f"{self._path}/staged.json")
        return SyncReport(
            added=len(inputs.keys() - before.keys()),
            changed=sum(before[key] != inputs[key] for key in inputs.keys() & before.keys()),
            removed=len(before.keys() - inputs.keys()),
            unchanged=sum(before[key] == inputs[key] for key in inputs.keys() & before.keys()),
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
        for document, derived in derive(stale) if stale else ():
            if document not in wanted:
                raise ArtifactError(f"Rows of {document} were derived for {self._path}, but nobody asked for them.")
            rows.extend(derived)
        if not rows:
            return _Shard(file=None, rows=0, documents=wanted)
        rows.sort(key=_row_order)
        content = _parquet(rows, self._record)
        name = hashlib.sha256(content).hexdigest()
        self._store.write(f"{self._path}/shards/{name}.parquet", content)
        return _Shard(file=name, rows=len(rows), documents=wanted)

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
        manifest = msgspec.json.decode(stored, type=_Manifest)
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


def _files_of(folder: Path) -> list[str]:
    return sorted(
        os.path.relpath(path, folder)
        for path in folder.rglob("*")
        if path.is_file() and path.name != FOLDER_MANIFEST and not path.name.startswith(".")
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
