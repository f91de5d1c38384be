"""The command line as scripts meet it: exit codes, one JSON object, one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine import cli, commands, terminal
from engine import events as ev
from engine.childproc import child_environment, python_command
from engine.runstate import RunState

SAMPLE = Path(__file__).parents[2] / "resources" / "sample" / "digits.keras"


def secateur(*words: object, cwd: Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*python_command("engine.cli"), *map(str, words)],
        cwd=cwd, env=child_environment(), capture_output=True, text=True, timeout=timeout,
        check=False,
    )  # fmt: skip


def refused(done: subprocess.CompletedProcess[str], *, code: str | None = None) -> str:
    """The sentence of a command that must have refused its input."""
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "Traceback" not in line
    if done.stdout:
        answer = json.loads(done.stdout)
        assert set(answer["error"]) == {"code", "message", "hint", "log"}
        if code is not None:
            assert answer["error"]["code"] == code
    return line


@pytest.mark.parametrize(
    "words",
    [
        ["inspect"],
        ["slim", "x.keras", "--keep", "2", "-o", "y"],
        ["prune", "x.keras", "--data", "digits", "--time", "soon"],
        ["prune", "x.keras", "--data", "digits", "--strategy", "guess"],
        ["export", "x.keras", "--to", "onnx", "-o", "y"],
    ],
)
def test_that_wrong_usage_is_one_sentence_and_exit_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*words, "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["code"] == "usage"
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "window"),
    [([], True), (["net.keras"], True), (["inspect"], False), (["prnue"], False), (["-h"], False)],
)
def test_that_a_mistyped_command_does_not_open_the_window(words: list[str], window: bool) -> None:
    assert cli.names_model(words) == window


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have a screen of their own")
def test_that_the_window_without_a_screen_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert cli.open_window([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_that_a_duration_has_units() -> None:
    assert [cli.seconds(t) for t in ("90", "90s", "50m", "1.5h")] == [90, 90, 3000, 5400]


def test_that_inspect_needs_no_tensorflow_and_tells_groups(tmp_path: Path) -> None:
    done = secateur("inspect", SAMPLE, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["format"] == "keras3"
    assert answer["params"] == sum(row["params"] for row in answer["layers"])
    assert any(group["prunable"] for group in answer["groups"])
    pinned = [group for group in answer["groups"] if not group["prunable"]]
    assert all(group["reason"] for group in pinned)


def test_that_zeros_for_speed_are_refused_where_they_give_none(tmp_path: Path) -> None:
    done = secateur(
        "prune", SAMPLE, "--data", "digits", "--sparse-for", "speed", "--json", cwd=tmp_path
    )
    assert "cannot speed this model up" in refused(done, code="sparse.no_speed")
    assert list(tmp_path.iterdir()) == []


def test_that_a_missing_model_is_one_sentence(tmp_path: Path) -> None:
    line = refused(secateur("inspect", "no.keras", "--json", cwd=tmp_path))
    assert "no.keras" in line


def test_that_a_text_file_named_h5_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.h5").write_text("hello")
    assert "bad.h5" in refused(secateur("inspect", "bad.h5", "--json", cwd=tmp_path))


def test_that_prune_with_missing_data_leaves_nothing_behind(tmp_path: Path) -> None:
    done = secateur("prune", SAMPLE, "--data", "none.npz", "--json", cwd=tmp_path)
    assert "none.npz" in refused(done, code="data.not_found")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trouble", ["no labels", "wrong size", "labels out of range"])
def test_that_unfit_data_are_one_sentence_and_leave_no_run(tmp_path: Path, trouble: str) -> None:
    rng = np.random.default_rng(0)
    side = 9 if trouble == "wrong size" else 8
    images = rng.integers(0, 16, (60, side, side)).astype(np.uint8)
    labels = np.arange(60) % 10 + (90 if trouble == "labels out of range" else 0)
    arrays = {"x_train": images, "x_test": images[:20]}
    if trouble != "no labels":
        arrays |= {"y_train": labels, "y_test": labels[:20]}
    np.savez(tmp_path / "data.npz", **arrays)
    done = secateur("prune", SAMPLE, "--data", "data.npz", "--out", "run", "--json", cwd=tmp_path)
    refused(done)
    assert not (tmp_path / "run").exists()


def test_that_slim_writes_a_narrower_model_equal_to_its_reference(tmp_path: Path) -> None:
    done = secateur("slim", SAMPLE, "--keep", "0.5", "-o", "half.keras", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["params_after"] < 0.5 * answer["params_before"]
    assert answer["rel_diff"] <= 1e-4
    again = json.loads(secateur("inspect", "half.keras", "--json", cwd=tmp_path).stdout)
    assert again["params"] == answer["params_after"]
    assert again["macs"] == answer["macs_after"]


def test_that_an_output_is_not_replaced_without_force(tmp_path: Path) -> None:
    (tmp_path / "half.keras").write_text("mine")
    done = secateur("slim", SAMPLE, "--keep", "0.5", "-o", "half.keras", "--json", cwd=tmp_path)
    refused(done, code="out.exists")
    assert (tmp_path / "half.keras").read_text() == "mine"


def test_that_evaluate_finds_everything_by_itself(tmp_path: Path) -> None:
    done = secateur("evaluate", SAMPLE, "--data", "digits", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["metric"] == "accuracy"
    assert answer["value"] > 0.95
    low, high = answer["interval"]
    assert low < answer["value"] < high


def test_that_runs_of_an_empty_folder_are_an_empty_list(tmp_path: Path) -> None:
    done = secateur("runs", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["runs"] == []


def test_that_the_data_template_runs_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    written = secateur("template", "data", "--json", cwd=tmp_path)
    assert json.loads(written.stdout)["path"] == "data.py"
    done = secateur("evaluate", SAMPLE, "--data", "data.py", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"] == 100


@pytest.mark.parametrize(
    ("status", "accepted", "needed", "said"),
    [
        ("not_met", True, 620, ("on the report split is below 81.00", "About 620 report samples")),
        ("not_met", True, None, ("on the report split is below 81.00",)),
        ("not_met", False, None, ("no model holds IoU",)),
        ("met", True, 21_000, ("Met: IoU", "does not confirm it yet. About 21,000")),
    ],
)
def test_that_a_search_closes_with_what_the_report_split_can_tell(
    status: str, accepted: bool, needed: int | None, said: tuple[str, ...]
) -> None:
    cost = {"fine_tunes": 3, "epochs": 9, "probes": 2, "seconds": 61.0}
    trials = [
        {"kind": "fine_tune", "accepted": accepted, "judged": True},
        {"kind": "probe", "accepted": False, "judged": False},
        {"kind": "probe", "accepted": accepted, "judged": True},
    ]
    result = {
        "metric": "iou", "floor": 0.81, "report_floor": 0.81, "status": status, "confirmed": False,
        "samples_needed": needed, "trials": trials, "cost": cost, "exports": [],
        "run": "run",
    }  # fmt: skip
    words = " ".join(commands._closing(result))
    for part in said:
        assert part in words
    assert ("report samples" in words) == (needed is not None)
    assert "9 epochs, 1 probe," in words  # what was rounded or swept was judged, as the window says


@pytest.mark.parametrize(
    ("status", "said"), [("met", "is at or below 5.3."), ("not_met", "is above 5.3.")]
)
def test_that_an_error_is_told_in_its_own_unit_and_its_own_direction(
    status: str, said: str
) -> None:
    result = {
        "metric": "rmse", "floor": 5.3, "report_floor": 5.3, "status": status, "confirmed": True,
        "samples_needed": None, "trials": [{"accepted": True, "judged": True}], "exports": [],
        "cost": {"fine_tunes": 3, "epochs": 9, "seconds": 61.0}, "run": "run",
    }  # fmt: skip
    words = " ".join(commands._closing(result))
    assert f"root mean squared error on the report split {said}" in words
    baseline = ev.BaselineMeasured(
        metric="rmse", higher_is_better=False, value=5.25, interval=(5.0, 5.5), samples=90,
        target=5.25, target_from="baseline", tolerance=0.05, floor=5.3,
        sizes=ev.Sizes(params=9, nonzero=9, macs=9),
    )  # fmt: skip
    line = terminal._sentence(baseline, RunState())
    assert line == (
        "baseline  root mean squared error 5.25 on the search split (95 %: 5 to 5.5), floor 5.3"
    )


def test_that_names_are_printed_as_they_are_and_lines_are_not_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    line = f"Run folder: /data/[old]/a:smile:b/{'long' * 40}"
    commands._say(line)
    commands._print_table(("", "model"), ("name", "net[v2].keras"), ("at", "long_name/" * 20))
    out = capsys.readouterr().out
    assert f"{line}\n" in out
    assert "long_name/" * 20 in out
    assert "net[v2].keras" in out
    with terminal.SearchView(terminal.plain(stderr=True)) as view:
        view._open = True
        view._line("data      /data/[/x]/b.npz")
    assert "/data/[/x]/b.npz" in capsys.readouterr().err
