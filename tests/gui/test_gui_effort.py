"""What a search will cost, said on the goal card before it starts."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtWidgets import QLabel

from engine.effort import effort
from engine.events import DataOpened, NeedsEstimated
from engine.job import Budget
from engine.telling import sentences, units
from gui.main_window import MainWindow
from gui.wishes import Baseline
from tests.gui import story


def test_that_the_effort_of_a_search_is_said_with_what_is_known_of_it() -> None:
    unknown = effort(Budget(), "heuristic", samples=None, sample_s=None)
    assert sentences.effort(unknown) == (
        "Estimated: up to 6 fine-tunes of 2 to 10 epochs each; how long is known once the baseline"
        " was measured."
    )
    timed = effort(Budget(epochs=2, max_trials=3), "heuristic", samples=10_000, sample_s=0.001)
    assert timed.seconds == 2 * 3 * 2 * 10_000 * 3 * 0.001
    assert sentences.effort(timed) == (
        "Estimated: up to 3 fine-tunes of 2 epochs each, 6 min 00 s of training on this computer"
        " at most."
    )
    assert effort(Budget(), "importance", samples=1, sample_s=None).fine_tunes == 10
    limited = effort(Budget(time_s=60.0), "heuristic", samples=10_000, sample_s=0.01)
    assert limited.seconds == 60.0


def test_that_the_goal_card_says_what_the_search_costs(ready: MainWindow) -> None:
    cost = ready.setup.goal_card.cost
    assert "6 fine-tunes of 2 to 10 epochs" in cost.text()
    options = ready.session.wishes.options
    ready.session.set_options(replace(options, budget=replace(options.budget, epochs=3)))
    assert "6 fine-tunes of 3 epochs" in cost.text()
    ready.session.found = found_in_story()
    ready.session.baseline = Baseline(metric="accuracy", value=0.93, samples=5_000, sample_s=0.0001)
    ready.session.wishes_changed.emit()
    assert "of training on this computer at most" in cost.text()
    state = replace(
        ready.session.state,
        needs=NeedsEstimated(
            disk_bytes=10**8, disk_free_bytes=10**10, memory_bytes=2 * 10**9,
            memory_free_bytes=None, seconds=90.0,
        ),
    )  # fmt: skip
    ready.session.record = replace(ready.session.record, state=state)
    ready.session.wishes_changed.emit()
    assert "1 min 30 s of training" in cost.text()
    assert "It needs up to 2.00 GB of memory and 100 MB of disk (10.0 GB free)" in plain(cost)


def found_in_story() -> DataOpened:
    return next(event for event in story.beginning() if isinstance(event, DataOpened))


def plain(shown: QLabel) -> str:
    return shown.text().replace(units.NBSP, " ")
