"""What is told of a ballot does not depend on who wrote what before it is complete."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.console.blind import told
from app.console.store.ballots import Ballot
from twin.registry.blind import Choice, drawn

EXAMPLES: list[dict[str, Any]] = [{"instruction": f"q{i}", "base": f"b{i}", "tuned": f"t{i}"} for i in range(8)]


@given(st.text(min_size=1), st.dictionaries(st.integers(1, 8), st.sampled_from(["a", "b", "tie"]), max_size=7))
def test_other_sides_would_be_told_the_same_until_the_ballot_is_complete(seed: str, choices: dict) -> None:
    pairs = drawn({"examples": EXAMPLES}, seed)
    others = [replace(pair, tuned="b" if pair.tuned == "a" else "a") for pair in pairs]
    open_ones = [told(Ballot(pairs=sides, choices=choices, is_complete=False)) for sides in (pairs, others)]
    assert open_ones[0] == open_ones[1]

    everything: dict[int, Choice] = dict.fromkeys(range(1, 9), "a")
    complete = [told(Ballot(pairs=sides, choices=everything, is_complete=True)) for sides in (pairs, others)]
    assert complete[0] != complete[1]
