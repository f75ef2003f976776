"""What a job says, read from CloudWatch while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.aws.names import LOG_GROUP
from twin.aws.session import code_of, make_client, speaking

if TYPE_CHECKING:
    from collections.abc import Iterator

    import boto3

__all__ = ["LogTail"]

NOT_YET = "ResourceNotFoundException"


class LogTail:
    """The lines of one job, each given once. Every container that ran for it has a stream of its own: a spot job that
    was interrupted has several."""

    def __init__(self, session: boto3.Session, job: str) -> None:
        self._client = make_client(session, "logs")
        self._prefix = f"{job}/"
        self._tokens: dict[str, str] = {}

    def new_lines(self) -> list[str]:
        """The lines that came since the last call.

        Raises:
            NotAuthorized: logs:DescribeLogStreams and logs:GetLogEvents are not allowed.
            CloudUnavailable: CloudWatch does not answer.
        """
        return [line for stream in self._streams() for line in self._lines_of(stream)]

    def _streams(self) -> list[str]:
        from botocore.exceptions import ClientError

        try:
            with speaking("CloudWatch Logs"):
                pages = self._client.get_paginator("describe_log_streams").paginate(
                    logGroupName=LOG_GROUP, logStreamNamePrefix=self._prefix
                )
                return sorted(stream["logStreamName"] for page in pages for stream in page["logStreams"])
        except ClientError as error:
            if code_of(error) == NOT_YET:
                return []
            raise

    def _lines_of(self, stream: str) -> Iterator[str]:
        while True:
            token = self._tokens.get(stream)
            with speaking("CloudWatch Logs"):
                answer = self._client.get_log_events(
                    logGroupName=LOG_GROUP,
                    logStreamName=stream,
                    startFromHead=True,
                    **({"nextToken": token} if token else {}),
                )
            yield from (event["message"].rstrip("\n") for event in answer["events"])
            self._tokens[stream] = answer["nextForwardToken"]
            if answer["nextForwardToken"] == token:  # CloudWatch says in this way that there is no more
                return
