"""How the console's registry pages arrange scores, draw curves, and where they send a reviewer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.console.charts import HEIGHT, MAX_POINTS, WIDTH, curve
from app.console.pages_registry import score_rows
from app.console.reviewers import local_path


def test_scores_of_base_and_tuned_stand_side_by_side() -> None:
    rows = score_rows({"chrf_base": 1, "chrf_tuned": 2, "style": {"base": 0.5, "tuned": 0.6, "reference": 0.9}, "n": 7})
    assert [(row.metric, row.base, row.tuned, row.reference, row.value) for row in rows] == [
        ("chrf", 1.0, 2.0, None, None),
        ("style", 0.5, 0.6, 0.9, None),
        ("n", None, None, None, 7.0),
    ]


points = st.lists(
    st.tuples(st.integers(0, 10**6), st.floats(-1e9, 1e9)), min_size=1, max_size=50, unique_by=lambda point: point[0]
).map(sorted)


@given(points)
def test_a_curve_stays_inside_its_frame(values: list[tuple[int, float]]) -> None:
    drawn = curve("loss", values)
    pairs = [tuple(map(float, pair.split(","))) for pair in drawn.points.split()]
    assert len(pairs) == len(values)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in pairs)
    assert [x for x, _ in pairs] == sorted(x for x, _ in pairs)


def test_a_falling_loss_falls_on_the_page() -> None:
    heights = [float(pair.split(",")[1]) for pair in curve("loss", [(0, 3.0), (1, 2.0), (2, 1.0)]).points.split()]
    assert heights == sorted(heights)
    assert heights[0] < heights[-1]


def test_a_very_long_curve_is_thinned_and_keeps_its_ends() -> None:
    drawn = curve("loss", [(step, float(-step)) for step in range(25_000)])
    assert len(drawn.points.split()) <= MAX_POINTS + 1
    assert (drawn.first, drawn.last) == ((0, 0.0), (24_999, -24_999.0))


@given(st.text())
def test_a_sign_in_leads_only_to_paths_of_this_console(target: str) -> None:
    path = local_path(target)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
