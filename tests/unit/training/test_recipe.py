from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import SettingsError
from twin.settings import TrainingSettings, read
from twin.training.recipe import Provenance, Recipe, from_hyperparameters, to_hyperparameters

PROVENANCE = Provenance(base_model="base", base_sha256="ab", dataset_version="d1", code_version="1")


@given(st.builds(Recipe, learning_rate=st.floats(1e-8, 1), max_steps=st.integers(1, 10**6)))
def test_a_recipe_survives_the_trip_through_string_hyperparameters(recipe: Recipe) -> None:
    values = to_hyperparameters(recipe, PROVENANCE)
    assert all(isinstance(value, str) for value in values.values())
    assert from_hyperparameters(values, Recipe) == recipe
    assert from_hyperparameters(values, Provenance) == PROVENANCE


def test_every_field_of_a_recipe_changes_its_hash() -> None:
    recipe = Recipe()
    hashes = {recipe.hash}
    for name, value in msgspec.structs.asdict(recipe).items():
        hashes.add(msgspec.structs.replace(recipe, **{name: value + 1}).hash)
    assert len(hashes) == 1 + len(Recipe.__struct_fields__)


def test_hyperparameters_of_other_tools_are_left_alone() -> None:
    assert from_hyperparameters({"sagemaker_program": "train.py"}, Recipe) == Recipe()


@pytest.mark.parametrize(("values", "named"), [({"max_steps": "many"}, "max_steps"), ({}, "base_model")])
def test_hyperparameters_that_do_not_fit_are_named(values: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        from_hyperparameters(values, Recipe if values else Provenance)


def test_the_settings_and_the_recipe_agree_on_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TrainingSettings.model_fields.values():
        monkeypatch.delenv(str(name.validation_alias), raising=False)
    assert Recipe.from_settings(read(TrainingSettings)) == Recipe()
