"""What the steps make and leave to each other: datasets and folders, on a local disk or in an object store."""

from twin.artifacts.dataset import Dataset, SyncReport
from twin.artifacts.store import ArtifactStore, FolderManifest

__all__ = ["ArtifactStore", "Dataset", "FolderManifest", "SyncReport"]
