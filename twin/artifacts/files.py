"""Files under one URL: a local folder, or any file system that fsspec knows (S3 on AWS)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from twin import disk, fencing

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["Files"]


class Files:
    """Reads and writes files by their path under `url`, a folder or an fsspec URL such as `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def read(self, path: str) -> bytes | None:
        """The bytes of a file in the store, or None if there is none."""
        fs, base = self._file_system()
        try:
            return fs.cat_file(f"{base}/{path}")
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        """Writes a file so that readers see it whole or not at all.

        Raises:
            PublishConflict: The lock that is held around this was lost to another writer.
        """
        fencing.check()
        local = self._local_path(path)
        if local is None:
            fs, base = self._file_system()
            fs.pipe_file(f"{base}/{path}", content)  # a PUT of an object store is atomic
            return
        disk.write(local, content)

    def remove(self, path: str) -> None:
        """Removes a file if it is there."""
        fs, base = self._file_system()
        if fs.exists(f"{base}/{path}"):
            fs.rm_file(f"{base}/{path}")

    def names(self, folder: str) -> list[str]:
        """The names of what lies directly in a folder of the store, what is being written aside."""
        fs, base = self._file_system()
        try:
            found = (Path(entry).name for entry in fs.ls(f"{base}/{folder}", detail=False))
            return sorted(name for name in found if not name.startswith("."))
        except FileNotFoundError:
            return []

    def size(self, folder: str) -> int:
        """The bytes of all files under a folder of the store."""
        fs, base = self._file_system()
        return fs.du(f"{base}/{folder}")

    def _files_under(self, folder: str) -> set[str]:
        """The path, from there, of every file under a folder of the store."""
        fs, base = self._file_system()
        return {found.removeprefix(f"{base}/{folder}").lstrip("/") for found in fs.find(f"{base}/{folder}")}

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
        with source.open("rb") as reading, disk.replacing(local) as writing:
            shutil.copyfileobj(reading, writing)
