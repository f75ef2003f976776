"""The artifact store: datasets and folders under one URL.

datasets/<name>/manifest.json          what is current
datasets/<name>/staged.json            what an unfinished sync has done so far
datasets/<name>/shards/<sha256>.parquet
folders/<name>/...                     with manifest.json, written last, naming every file and its sha256
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeVar

import msgspec

from twin import disk
from twin.artifacts.dataset import Dataset
from twin.artifacts.files import Files
from twin.artifacts.model_folder import FOLDER_MANIFEST, file_sha256
from twin.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ArtifactStore", "FolderManifest"]

REMEDY = "`llm-twin materialize train` makes it again."
R = TypeVar("R", bound=msgspec.Struct)


class FolderManifest(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a stored folder."""

    files: dict[str, str]
    """Relative path to sha256."""

    @property
    def version(self) -> str:
        return hashlib.sha256(msgspec.json.encode(sorted(self.files.items()))).hexdigest()


class ArtifactStore(Files):
    """Datasets and folders under one URL.

    Args:
        url: A folder, or any fsspec URL such as `s3://bucket/prefix`.
        cache: Where folders of a remote store are downloaded to.
    """

    def __init__(self, url: str, *, cache: Path | None = None) -> None:
        super().__init__(url)
        self._cache = cache

    def dataset(self, name: str, record: type[R]) -> Dataset[R]:
        """The dataset of that name; it is empty until its first sync."""
        return Dataset(self, f"datasets/{name}", record)

    def exists(self, name: str) -> bool:
        """Whether a folder of that name was stored whole."""
        return self.read(f"folders/{name}/{FOLDER_MANIFEST}") is not None

    def put_folder(self, name: str, folder: Path) -> FolderManifest:
        """Stores a folder in the place of what has its name; its manifest goes last: without one it is not there yet.

        Storing the same content again writes nothing.
        """
        manifest = FolderManifest(files={path: file_sha256(folder / path) for path in _files_of(folder)})
        stored = self.read(f"folders/{name}/{FOLDER_MANIFEST}")
        if stored == msgspec.json.encode(manifest):
            return manifest
        self.remove(f"folders/{name}/{FOLDER_MANIFEST}")  # while other files replace the old ones, it is not there
        for path in manifest.files:
            self._put_file(folder / path, f"folders/{name}/{path}")
        self.write(f"folders/{name}/{FOLDER_MANIFEST}", msgspec.json.encode(manifest))
        for path in self._files_under(f"folders/{name}") - manifest.files.keys() - {FOLDER_MANIFEST}:
            if not PurePath(path).name.startswith("."):
                self.remove(f"folders/{name}/{path}")  # of what had the name before
        return manifest

    def get_folder(self, name: str) -> Path:
        """A local folder with the stored files, each checked against its sha256.

        Raises:
            ArtifactError: There is no such folder, or a file is missing or damaged.
        """
        stored = self.read(f"folders/{name}/{FOLDER_MANIFEST}")
        if stored is None:
            raise ArtifactError(f"There is no folder {name!r} in {self.url}. Materialize the asset that makes it.")
        try:
            manifest = msgspec.json.decode(stored, type=FolderManifest)
        except msgspec.DecodeError as error:
            raise ArtifactError(
                f"The manifest of {self.url}/folders/{name} cannot be read: {error}. {REMEDY}"
            ) from None
        local = self._local_path(f"folders/{name}")
        if local is None:
            return self._download(name, manifest)
        for path, digest in manifest.files.items():
            if not _is_file(local / path, digest):
                raise ArtifactError(f"{local / path} is missing or not what was stored. {REMEDY}")
        return local

    def delete_folder(self, name: str) -> None:
        """Removes a stored folder; its manifest goes first, so it is never seen half deleted."""
        fs, base = self._file_system()
        manifest = f"{base}/folders/{name}/{FOLDER_MANIFEST}"
        if fs.exists(manifest):
            fs.rm(manifest)
        if fs.exists(f"{base}/folders/{name}"):
            fs.rm(f"{base}/folders/{name}", recursive=True)
        if self._cache is not None:
            shutil.rmtree(self._cache / name, ignore_errors=True)

    def _download(self, name: str, manifest: FolderManifest) -> Path:
        """Fetches what the cache does not have whole; several processes may do so at once."""
        if self._cache is None:
            raise ArtifactError(f"{self.url} is remote and no cache folder is set to download {name!r} to.")
        fs, base = self._file_system()
        target = self._cache / name / manifest.version[:16]
        for path, digest in manifest.files.items():
            if _is_file(target / path, digest):
                continue
            with disk.staged_file(target / path) as (staging, _):
                fs.get_file(f"{base}/folders/{name}/{path}", str(staging))
                if not _is_file(staging, digest):
                    raise ArtifactError(f"{self.url}/folders/{name}/{path} is not what was stored. {REMEDY}")
                staging.replace(target / path)
        return target


def _is_file(path: Path, digest: str) -> bool:
    return path.is_file() and file_sha256(path) == digest


def _files_of(folder: Path) -> list[str]:
    return sorted(
        os.path.relpath(path, folder)
        for path in folder.rglob("*")
        if path.is_file() and path.name != FOLDER_MANIFEST and not path.name.startswith(".")
    )
