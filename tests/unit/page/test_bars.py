"""The timeline's pieces: single bars, and cells where there are too many."""

from __future__ import annotations

from paceline_integrations.page._bars import MOST_ROWS, Bars, Strip


def strip(row: int, started: float, ended: float, outcome: str = "succeeded") -> Strip:
    return Strip(row, started, ended, outcome, "n", None, "job", 1)


def test_few_bars_are_kept_as_they_are() -> None:
    bars = Bars(most=2)
    bars.add(strip(0, 0.0, 1.0))
    bars.add(strip(3, 0.5, 2.0, "failed"))
    assert bars.strips == [strip(0, 0.0, 1.0), strip(3, 0.5, 2.0, "failed")]
    assert (bars.rows, bars.attempts) == (4, 2)


def test_many_bars_become_cells_that_know_the_worst_in_them() -> None:
    bars = Bars(most=2)
    for place, outcome in enumerate(("succeeded", "again", "failed", "succeeded")):
        bars.add(strip(0, place * 0.01, place * 0.01 + 0.005, outcome))
    assert bars.strips is None
    (cell,) = bars.cells()
    assert (cell.attempts, cell.outcome) == (4, "failed")
    assert round(cell.filled, 6) == 0.02


def test_full_cells_side_by_side_are_one() -> None:
    bars = Bars(most=0)
    bars.add(strip(0, 0.0, 100.0))
    bars.add(strip(1, 0.0, 1.0))
    bars.add(strip(1, 50.0, 51.0))
    cells = list(bars.cells())
    assert [(cell.row, round(cell.ended - cell.started)) for cell in cells] == [(0, 100), (1, 1), (1, 1)]


def test_cells_grow_with_the_run_and_stay_few() -> None:
    bars = Bars(most=0)
    for number in range(20_000):
        bars.add(
            strip(number % 40, number * 10.0, number * 10.0 + 5.0, "failed" if number == 77 else "succeeded")
        )
    cells = list(bars.cells())
    assert len(cells) <= 12_000
    assert [cell.outcome for cell in cells].count("failed") == 1
    assert round(sum(cell.filled for cell in cells), 3) == 100_000.0
    assert max(cell.ended for cell in cells) >= 199_995.0


def test_rows_beyond_what_can_be_drawn_are_counted() -> None:
    bars = Bars()
    bars.add(strip(MOST_ROWS, 0.0, 1.0))
    assert (bars.rows, bars.left_out, bars.attempts) == (0, 1, 1)
