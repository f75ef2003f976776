from __future__ import annotations

import pytest

from twin.training.progress import Progress, parse, report


def test_a_reported_step_is_read_back_by_the_parent(capsys: pytest.CaptureFixture[str]) -> None:
    step = Progress(event="step", step=3, steps=20, loss=2.5, tokens_per_second=120.0, eta_seconds=85.0)
    report(step)
    assert parse(capsys.readouterr().out.rstrip("\n")) == step


@pytest.mark.parametrize("line", ["", "loss 3", "PROGRESS", "PROGRESS {", 'PROGRESS {"step": 1}'])
def test_other_lines_are_no_progress(line: str) -> None:
    assert parse(line) is None


def test_a_step_reads_as_one_line_for_people() -> None:
    step = Progress(event="step", step=3, steps=20, loss=2.5, tokens_per_second=119.6, eta_seconds=85.2)
    assert str(step) == "step 3/20  loss 2.500  120 tokens/s  85 s left"
    assert str(Progress(event="prepared", detail={"samples": 4})) == "prepared: samples 4"


def test_what_is_measured_sample_by_sample_says_how_far_it_is() -> None:
    assert str(Progress(event="losses", step=3, steps=12, detail={"model": "base"})) == "losses 3 of 12: model base"
