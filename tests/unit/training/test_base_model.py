from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twin.errors import ArtifactError, PlatformError, SettingsError
from twin.settings import ModelSettings, read
from twin.training import base_model

if TYPE_CHECKING:
    from pathlib import Path


def settings(model: str | None) -> ModelSettings:
    return read(ModelSettings).model_copy(update={"base": model})


def model_folder(path: Path, weights: bytes) -> Path:
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(weights)
    return path


def test_a_model_folder_is_taken_as_it_is_and_known_by_its_weights(tmp_path: Path) -> None:
    one = base_model.ensure(settings(str(model_folder(tmp_path / "one", b"a"))), tmp_path)
    other = base_model.ensure(settings(str(model_folder(tmp_path / "other", b"b"))), tmp_path)
    assert (one.name, one.folder, one.gguf) == ("one", tmp_path / "one", None)
    assert one.sha256 != other.sha256


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds no model"):
        base_model.ensure(settings(str(tmp_path)), tmp_path)


def test_an_unknown_name_is_refused_without_a_network(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="neither a folder nor a GGUF file"):
        base_model.ensure(settings("nobody/no-such-model"), tmp_path)


def test_a_missing_wheel_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_model, "WHEEL_PACKAGE", "no_such_package")
    with pytest.raises(PlatformError, match="make install"):
        base_model.ensure(settings(None), tmp_path)


def test_a_wheel_with_another_model_in_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_model, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(ArtifactError, match="sha256"):
        base_model.ensure(settings(None), tmp_path)


def test_a_failed_conversion_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF, but not really")
    with pytest.raises(SettingsError, match="not a whole GGUF file"):
        base_model.ensure(settings(str(broken)), tmp_path / "home")
    kept = [path.name for path in (tmp_path / "home" / "models" / "base").iterdir()]
    assert [name for name in kept if not name.endswith(".lock")] == []
