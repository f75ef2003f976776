"""What goes wrong with AWS in general says what to do."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from twin.aws.session import code_of, make_session, speaking
from twin.errors import CloudUnavailable, NotAuthorized, SettingsError, TwinError
from twin.settings import AwsSettings


def refused(code: str, status: int = 400) -> ClientError:
    said = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "DoIt")  # ty: ignore[invalid-argument-type]


@pytest.mark.parametrize(
    ("error", "kind", "advice"),
    [
        (NoCredentialsError(), NotAuthorized, "aws sso login"),
        (refused("ExpiredTokenException"), NotAuthorized, "Sign in again"),
        (refused("AccessDeniedException", 403), NotAuthorized, "refused DoIt.*get-caller-identity"),
        (refused("ThrottlingException"), CloudUnavailable, "asked too often"),
        (refused("InternalFailure", 500), CloudUnavailable, "on its side"),
        (EndpointConnectionError(endpoint_url="https://x"), CloudUnavailable, "does not answer"),
    ],
)
def test_errors_say_what_to_do(error: Exception, kind: type[TwinError], advice: str) -> None:
    with pytest.raises(kind, match=advice), speaking("SageMaker"):
        raise error


def test_what_is_about_the_call_itself_passes() -> None:
    with pytest.raises(ClientError) as raised, speaking("SageMaker"):
        raise refused("ResourceInUse")
    assert code_of(raised.value) == "ResourceInUse"


def test_a_session_needs_a_region_and_a_profile_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(SettingsError, match="AWS_REGION"):
        make_session(AwsSettings())
    with pytest.raises(SettingsError, match="AWS_PROFILE=absent"):
        make_session(AwsSettings.model_validate({"AWS_PROFILE": "absent", "AWS_REGION": "us-east-1"}))
    assert make_session(AwsSettings.model_validate({"AWS_REGION": "eu-west-1"})).region_name == "eu-west-1"
