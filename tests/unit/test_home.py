"""TWIN_HOME: the reviewer's token, and settings that say nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from twin.home import Home
from twin.settings import MongoSettings, read

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_all_who_ask_first_at_once_get_one_token_that_only_the_owner_can_read(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: home.reviewer_token(), range(32)))
    assert len(tokens) == 1
    assert len(tokens.pop()) > 20
    [file] = home.root.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_setting_left_blank_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", "")
    assert read(MongoSettings).uri is None
