"""Numbers and codes as people read them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from engine import events as ev
from engine.errors import ErrorInfo
from engine.job import Minimise, Quantize, Strategy
from engine.runstate import fold, fold_all
from engine.telling import sentences, units
from engine.telling.cloud import cloud, measure_value, measures
from engine.telling.ending import end_numbers, end_words
from engine.telling.record import LOG_LIMIT, Record, advance, record_of
from gui.models.log import mark
from gui.views.goal import METRICS
from tests.gui import story

N = units.NBSP


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not measured"),
        (math.nan, "not measured"),
        (0, f"0{N}B"),
        (999, f"999{N}B"),
        (1234, f"1.23{N}KB"),
        (45_800, f"45.8{N}KB"),
        (999_600, f"1.00{N}MB"),
        (2_521_182, f"2.52{N}MB"),
        (3_000_000_000, f"3.00{N}GB"),
    ],
)
def test_that_sizes_are_kb_and_mb_never_plain_bytes_or_none(value: float | None, text: str) -> None:
    assert units.size(value) == text


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (0.01, False, f"1.0{N}point"),
        (0.012, False, f"1.2{N}points"),
        (-0.012, True, f"\u22121.2{N}points"),
        (0.003, True, f"+0.3{N}points"),
        (-0.0001, True, f"0.0{N}points"),
        (None, False, "not measured"),
    ],
)
def test_that_differences_are_points(value: float | None, signed: bool, text: str) -> None:
    assert units.points(value, signed=signed) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "not measured"),
        (0.2, "under 1 s"),
        (45, "45 s"),
        (75, "1 min 15 s"),
        (1799, "30 min"),
        (7260, "2 h 01 min"),
        (math.inf, "not measured"),
    ],
)
def test_that_durations_read_well(seconds: float | None, text: str) -> None:
    assert units.duration(seconds) == text


def test_that_time_left_is_rounded_up_as_a_bound_is() -> None:
    assert units.time_left(None) == "time left: not estimated yet"
    assert units.time_left(20) == "less than a minute left"
    assert units.time_left(150) == "at most 3 min left"
    assert units.time_left(1234) == "at most 21 min left"


@pytest.mark.parametrize(("number", "told"), [(7, 7), (93, 93), (931, 930), (93041, 93000)])
def test_that_an_estimated_count_has_two_figures(number: int, told: int) -> None:
    assert units.rough(number) == told


def test_that_ticks_lose_zeros_that_say_nothing() -> None:
    assert units.tick(f"1.00{N}MB") == f"1{N}MB"
    assert units.tick(f"2.50{N}k") == f"2.5{N}k"
    assert units.tick("100") == "100"


def test_that_metrics_that_are_no_shares_keep_their_unit() -> None:
    assert units.metric_value(0.932, "accuracy") == f"93.2{N}%"
    assert units.metric_value(3.25, "mae") == "3.25"
    assert units.metric_value(83_940.4, "rmse") == "83,940"
    assert units.interval(999.96, 0.00861, "rmse") == "1,000 to 0.00861"
    assert units.metric_difference(2500, "rmse", signed=True) == "+2,500"
    assert units.metric_difference(0.5, "mae", signed=True) == "+0.5"
    assert units.metric_name("mean_iou") == "mean IoU"


def test_that_the_window_knows_every_metric_and_its_direction() -> None:
    from engine.data.metrics import METRICS as ALL

    by_script = {"script", "script_error"}
    assert {"accuracy", *METRICS} == set(ALL) - by_script
    for name, metric in ALL.items():
        assert units.is_error(name) is not metric.higher_is_better
        assert name in by_script or units.metric_name(name) != name or name == "accuracy"


def test_that_a_rejected_error_is_said_to_be_above_the_floor() -> None:
    trial = next(
        event for event in story.whole()
        if isinstance(event, ev.TrialDone) and event.why.code == "below_floor"
    )  # fmt: skip
    assert "below the floor" in sentences.verdict(trial, "accuracy")
    assert "above the floor" in sentences.verdict(trial, "rmse")


def test_that_every_choice_of_a_job_has_words() -> None:
    from typing import get_args

    assert set(sentences.OBJECTIVES) == set(get_args(Minimise)) == set(sentences.OBJECTIVE_SIZES)
    assert set(sentences.OBJECTIVE_HELP) == set(get_args(Minimise))
    assert set(sentences.STRATEGIES) == set(get_args(Strategy))
    assert set(sentences.QUANTIZE) == set(get_args(Quantize))
    assert set(sentences.PHASES) == set(get_args(ev.Phase))


def test_that_every_event_of_a_run_is_a_sentence() -> None:
    record = record_of(story.whole())
    lines = [sentences.sentence(event, "accuracy") for event in record.log]
    assert len(lines) == len(record.log) > 20
    for line in lines:
        assert line
        assert "None" not in line
        assert "nan" not in line.split()


@pytest.mark.parametrize(
    "code", ["probe", "bracket", "bisect", "warm_start", "back_off", "cut_on", "more_sparsity"]
)
def test_that_a_known_reason_is_told_without_its_code(code: str) -> None:
    start = story.trial(3, "fine_tune", 0.35, 0.6, 0.92, "accepted", start=code, parent=2)[0]
    assert isinstance(start, ev.TrialStarted)
    text = sentences.started(start)
    assert code not in text or code in ("probe",)
    assert f"35{N}%" in text
    assert "fine-tune 2" in text


@pytest.mark.parametrize(
    ("code", "begin"),
    [
        ("accepted", "Accepted"),
        ("below_floor", "Rejected"),
        ("inside_guard", "Rejected"),
        ("probe_only", "Probe"),
        ("failed", "Failed"),
        ("stopped", "Stopped"),
    ],
)
def test_that_every_verdict_is_told(code: str, begin: str) -> None:
    done = story.trial(3, "fine_tune", 0.35, 0.0, 0.9187, code, start="bracket")[-1]
    assert isinstance(done, ev.TrialDone)
    text = sentences.verdict(done, "accuracy")
    assert text.startswith(begin)
    assert code in ("failed", "stopped") or f"91.9{N}%" in text


def test_that_a_rounded_model_says_to_how_many_values() -> None:
    start, *_, done = story.trial(13, "probe", 0.35, 0.6, 0.9187, "accepted", start="round_weights")
    assert isinstance(start, ev.TrialStarted)
    assert isinstance(done, ev.TrialDone)
    assert "to 15 values" in sentences.started(replace(start, weight_values=15))
    assert sentences.trial_name(replace(start, weight_values=15)) == "Rounding 13"
    text = sentences.verdict(replace(done, weight_values=15), "accuracy")
    assert f"35{N}% of the channels, 60{N}% zeros, 15 values a filter keeps" in text
    assert "values" not in sentences.verdict(done, "accuracy")


def test_that_a_trimmed_model_is_told_from_a_probe() -> None:
    start, *_, done = story.trial(14, "probe", 0.35, 0.6, 0.9187, "accepted", start="trim")
    assert isinstance(start, ev.TrialStarted)
    assert isinstance(done, ev.TrialDone)
    assert "that the others can make up for" in sentences.started(replace(start, trimmed=True))
    assert sentences.trial_name(replace(done, trimmed=True)) == "Trimming 14"
    assert replace(done, checkpoint=None, trimmed=True).judged


def test_that_an_unknown_code_is_shown_with_its_numbers() -> None:
    why = ev.Why(code="moon_phase", numbers={"moons": 2, "share": 0.12345, "name": None})
    start = ev.TrialStarted(
        trial=1, kind="fine_tune", step="channels", keep=0.5, sparsity=0.0, epochs=1,
        parent=None, why=why,
    )  # fmt: skip
    text = sentences.started(start)
    for part in ("moon_phase", "moons 2", "share 0.1235", "name not measured"):
        assert part in text


def test_that_a_resumable_failure_speaks_in_the_windows_verbs() -> None:
    error = ErrorInfo(
        kind="EngineFailure", code="engine.died", message="It died: x.", hint="'secateur resume'"
    )
    assert "secateur" not in sentences.problem(error)[1]


def test_that_the_log_is_bounded_and_a_verdict_replaces_its_start() -> None:
    record = record_of([*story.beginning(), *story.middle()])
    starts = [e for e in record.log if isinstance(e, ev.TrialStarted)]
    assert [e.trial for e in starts] == [11], "only the trial under way"
    flooded = Record()
    for number in range(LOG_LIMIT + 50):
        flooded = advance(flooded, ev.Warned(code="x", message=f"warning {number}"))
    assert len(flooded.log) == LOG_LIMIT
    assert len(flooded.state.warnings) == LOG_LIMIT + 50


def test_that_the_end_card_says_what_is_held_and_what_it_cost() -> None:
    state = fold_all(story.whole())
    numbers = dict(end_numbers(state))
    assert numbers["Accuracy, report split"] == f"92.6{N}%"
    assert numbers["Change"] == f"\u22120.5{N}points"
    assert "\u2192" in numbers["TFLite after gzip"]
    words = end_words(state)
    for part in ("confirmed", "5,000 report samples", "6 fine-tunes", "5 probes", "7 min 11 s"):
        assert part in words


def test_that_a_smaller_error_is_told_as_a_fall_and_a_larger_one_as_a_rise() -> None:
    state = fold_all(story.whole())
    assert state.baseline is not None
    assert state.report is not None
    state = replace(
        state,
        baseline=replace(state.baseline, metric="rmse", higher_is_better=False),
        report=replace(state.report, baseline=8.81, final=8.741, drop=-0.069,
                       drop_interval=(-1.037, 0.915)),
    )  # fmt: skip
    numbers = dict(end_numbers(state))
    assert numbers["Root mean squared error, report split"] == "8.741"
    assert numbers["Change"] == "\u22120.069"
    assert "rise \u22120.069 (\u22121.037 to 0.915)." in end_words(state)


def test_that_samples_needed_are_named_where_the_data_are_too_few() -> None:
    state = fold_all(story.whole())
    assert state.report is not None
    report = replace(state.report, confirmed=False, samples_needed=21_000)
    text = sentences.report_verdict(report, "accuracy")
    assert "21,000" in text
    assert "5,000" in text


def test_that_the_cloud_focuses_on_what_matters_and_counts_what_it_leaves_out() -> None:
    state = fold_all([*story.beginning(), *story.middle()])
    found = cloud(state, "objective")
    assert measures(state)[0] == "objective"
    assert found.low < found.floor < found.high  # type: ignore[operator]
    below = [p for p in found.points if p.y < found.low]
    assert {p.kind for p in below} == {"probe"}
    assert len(below) == 3
    assert found.unmeasured == 0
    assert measure_value(state, "objective", 45_800) == f"45.8{N}KB"
    assert measure_value(state, "nonzero", 9948) == f"9.95{N}k"


def test_that_a_run_without_a_baseline_has_an_empty_cloud() -> None:
    found = cloud(fold_all(story.beginning()[:3]), "nonzero")
    assert found.points == ()
    assert found.floor is None
    assert found.low < found.high


def test_that_a_swept_result_is_shown_as_a_result_and_not_as_a_probe() -> None:
    state = fold_all(story.whole())
    best = state.best_trial
    assert best is not None
    swept = replace(best, trial=99, kind="probe", epochs=0)
    found = cloud(fold(state, swept), "nonzero")
    point = next(p for p in found.points if p.trial == 99)
    assert (point.kind, point.accepted) == ("fine_tune", True)
    assert mark(swept)[0] == "circle-check"
    unkept = replace(swept, trial=100, checkpoint=None, accepted=False, best=False)
    assert mark(unkept)[0] == "search"


def test_that_the_control_is_announced_with_the_result_that_stands_without_it() -> None:
    events = story.whole()
    start = events.index(ev.PhaseStarted(phase="controls"))
    said = sentences.doing(fold_all(events[: start + 1]))
    assert said.startswith(f"The floor of 92.1{N}% is met, confirmed at 95{N}% confidence.")
    assert "Stop leaves that out" in said
    assert sentences.doing(fold_all(events[:3])).endswith("\u2026")
