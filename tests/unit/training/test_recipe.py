from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import SettingsError
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
        other = "nf4" if isinstance(value, str) else value + 1
        hashes.add(msgspec.structs.replace(recipe, **{name: other}).hash)
    assert len(hashes) == 1 + len(Recipe.__struct_fields__)


def test_hyperparameters_of_other_tools_are_left_alone() -> None:
    assert from_hyperparameters({"sagemaker_program": "train.py"}, Recipe) == Recipe()


@pytest.mark.parametrize(("values", "named"), [({"max_steps": "many"}, "max_steps"), ({}, "base_model")])
def test_hyperparameters_that_do_not_fit_are_named(values: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        from_hyperparameters(values, Recipe if values else Provenance)
