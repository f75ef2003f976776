"""Folders on S3, each file with its sha256: sent with one that S3 checks, and checked when they come back.

A folder's `manifest.sha256.json`, written last, names its files and their sha256, as in the artifact store.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from twin import disk
from twin.artifacts.model_folder import FOLDER_MANIFEST, file_sha256
from twin.artifacts.store import FolderManifest
from twin.aws.session import code_of, make_client, speaking
from twin.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import boto3

__all__ = ["Storage", "files_in"]

BATCH = 1000


class Storage:
    """Folders under one `s3://bucket/prefix`.

    Args:
        session: Whose credentials are used.
        url: Where they are.
        kms_key: What S3 encrypts them with; None for the bucket's own setting.

    Raises:
        SettingsError: The URL is none of S3.
    """

    def __init__(self, session: boto3.Session, url: str, *, kms_key: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise SettingsError(
                f"SAGEMAKER_BUCKET={url} is not a place on S3. Write s3://bucket or s3://bucket/prefix."
            )
        self.bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._client = make_client(session, "s3")
        self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}

    def url(self, path: str) -> str:
        """The s3:// URL of a path."""
        return f"s3://{self.bucket}/{self._key(path)}"

    def check(self) -> None:
        """Asks whether the bucket is there and ours to use.

        Raises:
            SettingsError: There is no such bucket.
            NotAuthorized: It is not ours.
            CloudUnavailable: S3 does not answer.
        """
        from botocore.exceptions import ClientError

        try:
            with speaking(f"S3 (bucket {self.bucket})"):
                self._client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if code_of(error) not in ("404", "NoSuchBucket"):
                raise
            raise SettingsError(
                f"There is no bucket {self.bucket}. Make one (`aws s3 mb s3://{self.bucket}`), or set SAGEMAKER_BUCKET."
            ) from error

    def put(self, path: str, files: Mapping[str, Path]) -> FolderManifest:
        """Sends the files that are not in the folder yet as they are here, by the names they have there, and last the
        manifest."""
        manifest = FolderManifest(files={name: file_sha256(file) for name, file in sorted(files.items())})
        there = self._manifest(path)
        for name, digest in manifest.files.items():
            if there is None or there.files.get(name) != digest:
                self._put_file(f"{path}/{name}", files[name])
        if there != manifest:
            self._put(f"{path}/{FOLDER_MANIFEST}", msgspec.json.encode(manifest))
        return manifest

    def get_folder(self, path: str, target: Path) -> list[str]:
        """Fetches every file below a path, each whole or not at all; returns their names. Whoever reads them checks
        them against the manifest that is among them."""
        found = list(self._names(path))
        for name in found:
            with speaking("S3"), disk.staged_file(target / name) as (staging, _):
                self._client.download_file(self.bucket, self._key(f"{path}/{name}"), str(staging))
                staging.replace(target / name)
        return found

    def delete_folder(self, path: str) -> int:
        """Removes every file below a path and returns how many there were."""
        keys = [{"Key": self._key(f"{path}/{name}")} for name in self._names(path)]
        with speaking("S3"):
            for start in range(0, len(keys), BATCH):
                self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": keys[start : start + BATCH]})
        return len(keys)

    def _names(self, path: str) -> Iterator[str]:
        prefix = f"{self._key(path)}/"
        with speaking(f"S3 (bucket {self.bucket})"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for entry in page.get("Contents", ()):
                    name = entry["Key"].removeprefix(prefix)
                    if name and ".." not in PurePosixPath(name).parts and not name.endswith("/"):
                        yield name

    def _manifest(self, path: str) -> FolderManifest | None:
        from botocore.exceptions import ClientError

        try:
            with speaking(f"S3 (bucket {self.bucket})"):
                body = self._client.get_object(Bucket=self.bucket, Key=self._key(f"{path}/{FOLDER_MANIFEST}"))["Body"]
                return msgspec.json.decode(body.read(), type=FolderManifest)
        except msgspec.MsgspecError:
            return None  # written anew
        except ClientError as error:
            if code_of(error) not in ("404", "NoSuchKey"):
                raise
            return None

    def _put_file(self, path: str, file: Path) -> None:
        with speaking(f"S3 (bucket {self.bucket})"):
            extra = {"ChecksumAlgorithm": "SHA256", **self._encryption}
            self._client.upload_file(str(file), self.bucket, self._key(path), ExtraArgs=extra)

    def _put(self, path: str, content: bytes) -> None:
        extra: dict[str, Any] = {"ChecksumAlgorithm": "SHA256", **self._encryption}
        with speaking(f"S3 (bucket {self.bucket})"):
            self._client.put_object(Bucket=self.bucket, Key=self._key(path), Body=content, **extra)

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path


def files_in(folder: Path) -> dict[str, Path]:
    """The files below a folder by their names there, hidden ones left out."""
    named = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {
        name.as_posix(): path
        for name, path in named.items()
        if name.name != FOLDER_MANIFEST and not any(part.startswith(".") for part in name.parts)
    }
