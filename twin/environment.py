"""What the environment says before any library loads: tell nobody of us, leave nothing outside of TWIN_HOME, and ask no
proxy for what is on this machine.

`import twin` sets it, so it holds for every process of the platform, for what they start, and for a program that uses
`twin` as a library. What the user has set stays as it is.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

__all__ = ["TELL_NOBODY", "add_no_proxy", "keep_files_in", "prepare"]

TELL_NOBODY = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime since 1.29: a device's id and the machine, to its maker
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, and through it transformers, datasets and trl
    "DO_NOT_TRACK": "1",  # the same, and whoever else keeps to donottrack.sh
    "OPIK_SENTRY_ENABLE": "false",  # errors of the SDK
    "OPIK_ANALYTICS_ENABLE": "false",  # which features of the SDK are used
    "COMET_ERROR_TRACKING_ENABLE": "false",
    "COMET_DISABLE_ANNOUNCEMENT": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # comes with opik; else it fetches its price list when it is imported
    "MLFLOW_DISABLE_TELEMETRY": "true",  # comes with sagemaker
    "DISABLE_JUMPSTART_TELEMETRY": "1",
    "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": str(Path(__file__).with_name("sagemaker.yaml")),  # the SDK's opt-out is a file
}
"""Dagster's is in its dagster.yaml, for the instance. torch, qdrant-client, pymongo, playwright, sentence-transformers,
peft and gguf count nobody."""

_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CERTIFICATE_READERS = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "GIT_SSL_CAINFO")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_OURS = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - an address that is compared, not bound

_pointed: dict[str, str] = {}
"""The folders that were set here, which another home may set anew."""


def prepare() -> None:
    """Sets everything; may be repeated."""
    for name, value in TELL_NOBODY.items():
        os.environ.setdefault(name, value)
    keep_files_in(_home())
    _share_certificates()
    _spare_proxies()


def add_no_proxy(*names: str) -> None:
    """Adds hosts to those for which no proxy is asked."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in given.split(",") if host.strip()]
    added = [name for name in names if name and name not in hosts]
    if added and "*" not in hosts:
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join([*hosts, *added])


def keep_files_in(root: Path) -> None:
    """Points what libraries keep for themselves into the home's cache.

    Models that Hugging Face's hub has left in the user's own cache, and the user's token there, are still found.
    """
    cache = root / "cache"
    folders = {
        "MPLCONFIGDIR": cache / "matplotlib",
        "HF_HOME": cache / "huggingface",
        "TORCH_HOME": cache / "torch",
        "TORCHINDUCTOR_CACHE_DIR": cache / "torchinductor",
        "TRITON_CACHE_DIR": cache / "triton",
        "CUDA_CACHE_PATH": cache / "cuda",
        **_of_the_user(),
    }
    for name, folder in folders.items():
        if os.environ.get(name) in (None, _pointed.get(name)):
            os.environ[name] = _pointed[name] = str(folder)


def _of_the_user() -> dict[str, Path]:
    """What Hugging Face's library finds in its usual place. Nobody has that who has no home directory."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    except RuntimeError:
        return {}
    usual = {"HF_HUB_CACHE": base / "hub", "HF_TOKEN_PATH": base / "token"}
    moved = os.environ.get("HF_HOME") not in (None, _pointed.get("HF_HOME"))
    return {} if moved else {name: path for name, path in usual.items() if os.access(path, os.R_OK)}


def _home() -> Path:
    """TWIN_HOME, as the settings will read it."""
    named = os.environ.get("TWIN_HOME")
    if not named and os.access(".env", os.R_OK):
        from dotenv import dotenv_values

        named = dotenv_values(".env").get("TWIN_HOME")
    path = Path(named or ".twin")
    try:
        return path.expanduser().absolute()
    except (RuntimeError, OSError):  # no such user, or a working directory that is gone: the settings will say so
        return path


def _share_certificates() -> None:
    """One bundle of certificates for all: httpx and git, requests and botocore each look for a name of their own."""
    bundle = next((os.environ[name] for name in _CERTIFICATES if os.environ.get(name)), None)
    if bundle:
        for name in _CERTIFICATE_READERS:
            os.environ.setdefault(name, bundle)


def _spare_proxies() -> None:
    """No library asks a proxy for this machine's own servers, whatever its name."""
    if any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES):
        add_no_proxy(*_OURS, socket.gethostname(), os.environ.get("TWIN_HOST") or "")
