from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twin.errors import SettingsError
from twin.settings import TrainingSettings, read
from twin.training import recipes
from twin.training.recipe import Recipe

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in TrainingSettings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", ["demo", "gpu-24gb", "gpu-80gb", "laptop", "sagemaker-g5"])
def test_every_recipe_of_the_platform_fits(name: str) -> None:
    assert name in recipes.names()
    assert isinstance(recipes.load(name), Recipe)


def test_the_laptops_recipe_is_the_default_and_the_demos_is_shorter() -> None:
    assert recipes.from_settings(read(TrainingSettings)) == recipes.load("laptop")
    assert recipes.load("demo").max_steps * 2 < recipes.load("laptop").max_steps


def test_a_file_of_ones_own_may_name_only_what_differs(tmp_path: Path) -> None:
    recipe = recipes.load(write(tmp_path / "mine.yaml", "max_steps: 7\nlearning_rate: 3e-4\n"))
    assert (recipe.max_steps, recipe.learning_rate, recipe.max_length) == (7, 3e-4, Recipe().max_length)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("learning_rat: 1.0e-4", r"unknown field 'learning_rat'\. Did you mean 'learning_rate'\? Allowed are: epochs,"),
        ("max_steps: many", r"max_steps: 'many'.*`int`"),
        ("max_steps: 0", r"max_steps: 0.*>= 1"),
        ("max_steps: 1.5", r"max_steps: 1\.5.*`int`"),
        ("learning_rate: -1", r"learning_rate: -1.*> 0"),
        ("learning_rate: .nan", r"learning_rate: nan"),
        ("quantization: int3", r"quantization: 'int3'.*Allowed are: none, nf4"),
        ("gradient_checkpointing: sometimes", r"gradient_checkpointing: 'sometimes'.*`bool`"),
        ("- max_steps", "holds no fields"),
        ("max_steps: [", "cannot be read"),
        ("", "holds no fields"),
    ],
)
def test_what_a_file_names_wrongly_is_refused_with_the_file_the_field_and_what_is_allowed(
    tmp_path: Path, line: str, told: str
) -> None:
    path = write(tmp_path / "mine.yaml", line + "\n")
    with pytest.raises(SettingsError, match=told) as refusal:
        recipes.load(path)
    assert path in str(refusal.value)


def test_an_unknown_recipe_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(SettingsError, match=r"TRAINING_RECIPE=laptp is neither a recipe \(demo, .*laptop.*nor a file"):
        recipes.load("laptp")


def test_settings_override_the_recipe_where_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RECIPE": "demo", "MAX_STEPS": "6", "LORA_R": "8", "SEED": "7"}.items():
        monkeypatch.setenv(f"TRAINING_{name}", value)
    recipe = recipes.from_settings(read(TrainingSettings))
    assert (recipe.max_steps, recipe.lora_r, recipe.lora_alpha, recipe.seed) == (6, 8, 16, 7)
    assert recipe.max_length == recipes.load("demo").max_length
