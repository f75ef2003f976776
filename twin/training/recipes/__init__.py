"""Recipes as YAML files, one beside the other in this folder; a file of one's own has the same fields.

A file names every field that it wants to differ from `Recipe`'s own values. What it names wrongly is refused before
anything is started, with the file, the field and what is allowed there.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import msgspec
import yaml

from twin.errors import SettingsError
from twin.training.recipe import Recipe

if TYPE_CHECKING:
    from twin.settings import FeedbackSettings, TrainingSettings

__all__ = ["from_settings", "load", "names"]

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The recipes that come with the platform."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def from_settings(settings: TrainingSettings) -> Recipe:
    """TRAINING_RECIPE with what the settings override; alpha is twice the rank where the rank is overridden.

    Raises:
        SettingsError: There is no such recipe, or it is not one.
    """
    recipe = load(settings.recipe)
    overrides: dict[str, Any] = {
        "max_steps": settings.max_steps,
        "max_length": settings.max_length,
        "learning_rate": settings.learning_rate,
        "lora_r": settings.lora_r,
        "lora_alpha": None if settings.lora_r is None else 2 * settings.lora_r,
        "seed": settings.seed if "seed" in settings.model_fields_set else None,
    }
    return msgspec.structs.replace(recipe, **{name: value for name, value in overrides.items() if value is not None})


def with_feedback(recipe: Recipe, readers_pairs: int, settings: FeedbackSettings) -> Recipe:
    """The recipe, with preference training where readers gave pairs enough for it."""
    if recipe.dpo_steps or readers_pairs < settings.min_pairs:
        return recipe
    return msgspec.structs.replace(recipe, dpo_steps=settings.dpo_steps)


def load(recipe: str) -> Recipe:
    """The recipe of a name, or in a file.

    Raises:
        SettingsError: There is none, or a field of it is unknown or does not fit; names the file, the field and what is
            allowed.
    """
    path = FOLDER / f"{recipe}.yaml" if recipe in names() else Path(recipe).expanduser()
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"TRAINING_RECIPE={recipe} is neither a recipe ({', '.join(names())}) nor a file."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"The recipe {path} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise SettingsError(f"The recipe {path} holds no fields. Write lines such as `max_steps: 70`.")
    for name in values:
        if name not in Recipe.__struct_fields__:
            raise SettingsError(f"The recipe {path} has an unknown field {name!r}. {_instead(str(name))}")
    return _typed(path, values)


def _typed(path: Path, values: dict[str, Any]) -> Recipe:
    """Each value by itself, so that the message can name what it was."""
    recipe = Recipe()
    for field in msgspec.structs.fields(Recipe):
        if field.name not in values:
            continue
        value = values[field.name]
        try:
            # not strict: YAML reads 2e-4, without a point, as text
            typed = msgspec.convert(value, field.type, strict=False)
        except msgspec.ValidationError as error:
            allowed = f" Allowed are: {', '.join(get_args(field.type))}." if get_origin(field.type) is Literal else ""
            raise SettingsError(
                f"The recipe {path} has {field.name}: {value!r}, which does not fit: {error}.{allowed}"
            ) from None
        recipe = msgspec.structs.replace(recipe, **{field.name: typed})
    return recipe


def _instead(name: str) -> str:
    near = difflib.get_close_matches(name, Recipe.__struct_fields__, n=1)
    allowed = ", ".join(Recipe.__struct_fields__)
    return f"Did you mean {near[0]!r}? Allowed are: {allowed}." if near else f"Allowed are: {allowed}."
