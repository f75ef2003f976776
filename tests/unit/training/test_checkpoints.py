from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twin.training.program.checkpoints import last_checkpoint
from twin.training.program.follower import Pace

if TYPE_CHECKING:
    from pathlib import Path


def test_the_newest_whole_checkpoint_counts_and_torn_ones_are_removed(tmp_path: Path) -> None:
    for step, state in ((5, "{}"), (10, "{}"), (15, '{"global_st'), (100, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)

    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-5"]


def test_without_checkpoints_there_is_none_to_resume_from(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "nowhere") is None


def test_the_pace_goes_on_from_earlier_attempts() -> None:
    times = iter([0.0, 100.0, 104.0])
    pace = Pace(clock=lambda: next(times))
    pace.begin(elapsed=20.0, tokens=1000)
    assert pace.step(tokens=1400) == pytest.approx(100.0)
    assert pace.elapsed == pytest.approx(24.0)
    assert pace.remaining(step=6, steps=20) == pytest.approx(56.0)
