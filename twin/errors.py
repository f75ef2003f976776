"""The one error tree. Every message says what happened, where, and what to do about it.

TwinError
├── SettingsError              a setting is missing, unknown or contradicts another
├── PlatformError              this machine lacks something (a binary, memory, a port)
├── CollectionError            a document could not be brought in
│   ├── SourceRefused          we decided not to take it: too large, binary, not allowed
│   ├── SourceFailed           we could not get it: timed out, unreadable, refused by the server
│   └── SourceGone             the place itself says that the document is no more
├── InputError                 a caller's request is wrong
│   ├── EmptyQuestion
│   ├── QuestionTooLong
│   ├── UnknownAuthor
│   ├── UnknownName            no trace, model, version or job of that name
│   ├── NotAuthorized          a credential is missing or wrong
│   ├── ReviewRequired         only a person may do this, in a review
│   └── AlreadyDecided         a review was decided the other way
├── ServiceUnavailable         something outside this process does not answer
│   ├── WarehouseUnavailable   MongoDB
│   ├── IndexUnavailable       Qdrant, or no published generation yet
│   ├── ModelUnavailable       no model is deployed, or its endpoint does not answer
│   ├── RegistryUnavailable    Comet or its stand-in
│   ├── CloudUnavailable       AWS
│   └── Overloaded             the queue in front of the model is full
├── GenerationInterrupted      the model stopped in the middle of an answer
├── PublishConflict            another writer holds the publishing lock
├── ArtifactError              an artifact is missing, half-written or not what its checksum says
├── QuotaExceeded              a cloud's limit is reached; trying again does not help
├── BudgetExceeded             nobody allowed to spend so much
└── TrainingFailed             the train program ended with a reason
"""

from __future__ import annotations

__all__ = [
    "INTERNAL",
    "AlreadyDecided",
    "ArtifactError",
    "BudgetExceeded",
    "CloudUnavailable",
    "CollectionError",
    "EmptyQuestion",
    "GenerationInterrupted",
    "IndexUnavailable",
    "InputError",
    "ModelUnavailable",
    "NotAuthorized",
    "Overloaded",
    "PlatformError",
    "PublishConflict",
    "QuestionTooLong",
    "QuotaExceeded",
    "RegistryUnavailable",
    "ReviewRequired",
    "ServiceUnavailable",
    "SettingsError",
    "SourceFailed",
    "SourceGone",
    "SourceRefused",
    "TrainingFailed",
    "TwinError",
    "UnknownAuthor",
    "UnknownName",
    "WarehouseUnavailable",
]


INTERNAL = "Something went wrong on our side; the log has the details. Ask again."
"""What a caller is told of an error that nobody raised on purpose."""


class TwinError(Exception):
    """Base of every error this project raises on purpose.

    `str(error)` is for the user. `detail` is for the log and never leaves the process over HTTP.
    """

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class SettingsError(TwinError):
    """A setting is missing, unknown or contradicts another."""


class PlatformError(TwinError):
    """This machine lacks something: a binary, memory, a free port."""


class CollectionError(TwinError):
    """A document could not be brought in."""


class SourceRefused(CollectionError):
    """The document is there, and we decided not to take it."""


class SourceFailed(CollectionError):
    """The document could not be fetched or read."""


class SourceGone(CollectionError):
    """The place itself says that the document is no more."""


class InputError(TwinError):
    """A caller's request is wrong; repeating it unchanged cannot help."""


class EmptyQuestion(InputError):
    """The question has no text."""


class QuestionTooLong(InputError):
    """The question is longer than the limit."""


class UnknownAuthor(InputError):
    """No document of that author is in the warehouse."""


class UnknownName(InputError):
    """Nothing of that name or id exists."""


class NotAuthorized(InputError):
    """A credential is missing or wrong."""


class ReviewRequired(InputError):
    """Only a person may do this, in a review."""


class AlreadyDecided(InputError):
    """A review was decided the other way."""


class ServiceUnavailable(TwinError):
    """Something outside this process does not answer; trying again later may help."""


class WarehouseUnavailable(ServiceUnavailable):
    """MongoDB does not answer."""


class IndexUnavailable(ServiceUnavailable):
    """The vector index does not answer, or nothing has been published to it."""


class ModelUnavailable(ServiceUnavailable):
    """No model is deployed, or its endpoint does not answer."""


class RegistryUnavailable(ServiceUnavailable):
    """The model registry does not answer."""


class CloudUnavailable(ServiceUnavailable):
    """AWS does not answer, or not now."""


class Overloaded(ServiceUnavailable):
    """The queue in front of the model is full."""


class GenerationInterrupted(TwinError):
    """The model stopped in the middle of an answer; what was generated until then was delivered."""


class PublishConflict(TwinError):
    """Another writer holds the publishing lock."""


class ArtifactError(TwinError):
    """An artifact is missing, half-written or not what its checksum says."""


class QuotaExceeded(TwinError):
    """A cloud's limit is reached: more has to be asked for, trying again does not help."""


class BudgetExceeded(TwinError):
    """Nobody allowed to spend so much."""


class TrainingFailed(TwinError):
    """The train program ended with a reason."""
