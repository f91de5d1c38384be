"""A search as a list of events, as the engine would send them: the material of the window's tests.

The figures are made up but shaped like a real search on a small VGG.
"""

from __future__ import annotations

import math

from engine import events as ev
from engine.job import Budget, DataSpec, Goal, Job
from gui.facts import GroupFacts, ModelFacts

WIDTHS = (32, 32, 64, 64, 128, 128, 128, 256)
BASELINE = 0.932
FLOOR = 0.922


def job(model: str = "vgg_story.keras") -> Job:
    """The job of the story."""
    return Job(
        model=model,
        data=DataSpec(source="fashion.npz"),
        goal=Goal(tolerance=0.01),
        budget=Budget(epochs=2, max_trials=8),
    )


def layers(keep: float = 1.0, sparsity: float = 0.0) -> tuple[ev.LayerState, ...]:
    """Layers of the model at a keep ratio; deeper ones are cut more."""
    rows = [
        ev.LayerState(name="input", class_name="InputLayer", output_shape=(28, 28, 1)),
    ]
    size, before = 28, 1
    for index, width in enumerate(WIDTHS):
        share = min(1.0, max(0.05, keep * (1.5 - index / len(WIDTHS))) if keep < 1 else 1.0)
        kept = max(2, round(width * share))
        kernel = 9 * before * kept
        zero = min(0.97, sparsity * (0.6 + 0.08 * index))
        rows.append(
            ev.LayerState(
                name=f"conv{index + 1}",
                class_name="Conv2D",
                output_shape=(size, size, kept),
                params=kernel + kept,
                macs=kernel * size * size,
                channels=width,
                channels_kept=kept,
                prunable_weights=kernel,
                zeros=round(kernel * zero),
                group=f"g{index + 1}",
                prunable=True,
            )
        )
        rows.append(
            ev.LayerState(
                name=f"bn{index + 1}",
                class_name="BatchNormalization",
                output_shape=(size, size, kept),
                params=4 * kept,
                channels=width,
                channels_kept=kept,
                group=f"g{index + 1}",
                prunable=True,
            )
        )
        if index % 2 and size > 3:
            size //= 2
        before = kept
    kernel = before * 10
    rows.append(
        ev.LayerState(
            name="predictions",
            class_name="Dense",
            output_shape=(10,),
            params=kernel + 10,
            macs=kernel,
            channels=10,
            channels_kept=10,
            prunable_weights=kernel,
            zeros=0,
            group="g9",
            prunable=False,
            reason="its channels are the model's output",
        )
    )
    return tuple(rows)


def sizes(keep: float = 1.0, sparsity: float = 0.0) -> ev.Sizes:
    """Sizes of the model at a keep ratio."""
    rows = layers(keep, sparsity)
    params = sum(s.params for s in rows)
    zeros = sum(s.zeros or 0 for s in rows)
    gzip = 3.7 * (params - zeros) + 9000
    return ev.Sizes(
        params=params,
        nonzero=params - zeros,
        macs=sum(s.macs or 0 for s in rows),
        objective=gzip,
        keras_bytes=4 * params + 40000,
        tflite_bytes=4 * params + 6000,
        tflite_gzip_bytes=round(gzip),
    )


def facts(path: str = "/models/vgg_story.keras") -> ModelFacts:
    """The model of the story as its file tells it."""
    groups = tuple(
        GroupFacts(
            id=f"g{i + 1}",
            channels=w,
            layers=(f"conv{i + 1}", f"bn{i + 1}"),
            prunable=True,
            reason=None,
        )
        for i, w in enumerate(WIDTHS)
    )
    last = GroupFacts(
        id="g9",
        channels=10,
        layers=("predictions",),
        prunable=False,
        reason="its channels are the model's output",
    )
    return ModelFacts(
        path=path,
        size_bytes=2_521_182,
        written_by="keras 3.15.0",
        inputs=((28, 28, 1),),
        outputs=((10,),),
        groups=(*groups, last),
        opened=opened(),
    )


def opened() -> ev.ModelOpened:
    """The model's opening event."""
    rows = layers()
    return ev.ModelOpened(
        name="vgg_story",
        format="keras3",
        params=sum(s.params for s in rows),
        macs=sum(s.macs or 0 for s in rows),
        layers=rows,
    )


def beginning(model: str = "vgg_story.keras") -> list[ev.Event]:
    """From the start to the measured baseline."""
    return [
        ev.RunStarted(
            run_id="story",
            job=job(model),
            time=1_700_000_000.0,
            device="CPU, 2 cores",
            versions={"keras": "3.15.1"},
        ),
        ev.PhaseStarted(phase="opening"),
        opened(),
        ev.PhaseStarted(phase="data"),
        ev.DataOpened(
            source="fashion.npz",
            train=50_000,
            search=5_000,
            report=5_000,
            classes=("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt"),
            task="classification",
            preprocess="0-1",
            preprocess_values={"0-1": 0.932, "none": 0.41},
            seen="no",
        ),
        ev.PhaseStarted(phase="baseline"),
        ev.BaselineMeasured(
            metric="accuracy",
            higher_is_better=True,
            value=BASELINE,
            interval=(0.925, 0.939),
            samples=5_000,
            target=BASELINE,
            target_from="baseline",
            tolerance=0.01,
            floor=FLOOR,
            sizes=sizes(),
        ),
    ]


def trial(
    number: int,
    kind: str,
    keep: float,
    sparsity: float,
    value: float,
    code: str,
    *,
    start: str,
    best: bool = False,
    parent: int | None = None,
) -> list[ev.Event]:
    """Start, progress and verdict of one trial."""
    accepted = code == "accepted"
    step = "weights" if sparsity else "channels"
    out: list[ev.Event] = [
        ev.TrialStarted(
            trial=number,
            kind=kind,  # type: ignore[arg-type]
            step=step,  # type: ignore[arg-type]
            keep=keep,
            sparsity=sparsity,
            epochs=2 if kind == "fine_tune" else 0,
            parent=parent,
            why=ev.Why(code=start, numbers={"keep": keep}),
        )
    ]
    if kind == "fine_tune":
        out += batches(number, 200)
    out.append(
        ev.TrialDone(
            trial=number,
            kind=kind,  # type: ignore[arg-type]
            step=step,  # type: ignore[arg-type]
            keep=keep,
            sparsity=sparsity,
            value=value,
            accepted=accepted,
            best=best,
            epochs=2 if kind == "fine_tune" else 0,
            seconds=45.0 if kind == "fine_tune" else 2.5,
            sizes=sizes(keep, sparsity),
            layers=layers(keep, sparsity),
            checkpoint=f"checkpoints/trial-{number:03d}.keras" if accepted else None,
            why=ev.Why(code=code, numbers={"value": value, "floor": FLOOR, "guard": 0.002}),
        )
    )
    return out


def batches(number: int, steps: int, until: int | None = None) -> list[ev.Event]:
    """Progress of a fine-tune with a falling, noisy loss."""
    out: list[ev.Event] = []
    for step in range(1, (until or steps) + 1):
        noise = 0.12 * math.sin(step * 12.9898) * math.cos(step * 4.1414)
        loss = 0.25 + 0.7 * math.exp(-step / 35) + noise * 0.8
        out.append(ev.BatchDone(trial=number, step=step, steps=steps, loss=loss))
        if step == steps // 2:
            out.append(
                ev.EpochDone(trial=number, epoch=1, epochs=2, loss=loss, value=0.92, seconds=22.0)
            )
    return out


def sensitivity() -> list[ev.Event]:
    """Probes of each group alone; early groups matter more."""
    return [
        ev.SensitivityMeasured(
            group=f"g{index + 1}",
            keep=keep,
            kept=round(keep * width),
            value=BASELINE - (1 - keep) ** 3 * 0.6 / (1 + index),
            loss=(1 - keep) ** 2 / (1 + index),
        )
        for index, width in enumerate(WIDTHS)
        for keep in (0.75, 0.5, 0.3125, 0.15625, 0.09375)
    ]


def middle() -> list[ev.Event]:
    """Probes and fine-tunes, up to a fine-tune under way."""
    out: list[ev.Event] = [
        ev.PhaseStarted(phase="sensitivity"),
        *sensitivity(),
        ev.PhaseStarted(phase="channels"),
    ]
    for number, (keep, value) in enumerate(
        ((0.7, 0.929), (0.5, 0.914), (0.35, 0.861), (0.25, 0.742), (0.18, 0.51)), start=1
    ):
        out += trial(number, "probe", keep, 0.0, value, "probe_only", start="probe")
    out.append(ev.WorkEstimated(fine_tunes_left=7, seconds_left=420.0))
    out += trial(6, "fine_tune", 0.42, 0.0, 0.9298, "accepted", start="bracket", best=True)
    out += trial(
        7, "fine_tune", 0.23, 0.0, 0.9256, "accepted", start="bracket", best=True, parent=6
    )
    out += trial(8, "fine_tune", 0.13, 0.0, 0.9152, "below_floor", start="bracket", parent=7)
    out += trial(9, "fine_tune", 0.17, 0.0, 0.9231, "inside_guard", start="bisect", parent=7)
    out.append(ev.PhaseStarted(phase="weights"))
    out += trial(
        10, "fine_tune", 0.23, 0.7, 0.9249, "accepted", start="more_sparsity", best=True, parent=7
    )
    out.append(ev.WorkEstimated(fine_tunes_left=2, seconds_left=150.0))
    out.append(
        ev.TrialStarted(
            trial=11,
            kind="fine_tune",
            step="weights",
            keep=0.23,
            sparsity=0.85,
            epochs=2,
            parent=10,
            why=ev.Why(code="bracket", numbers={"keep": 0.23, "sparsity": 0.85}),
        )
    )
    out += batches(11, 200, until=130)
    return out


def ending() -> list[ev.Event]:
    """The last verdict, the report split, an export, the end."""
    return [
        *trial(11, "fine_tune", 0.23, 0.85, 0.9188, "below_floor", start="bracket", parent=10)[1:],
        ev.PhaseStarted(phase="report"),
        ev.ReportMeasured(
            trial=10,
            samples=5_000,
            baseline=0.9314,
            baseline_interval=(0.924, 0.938),
            final=0.9262,
            final_interval=(0.9186, 0.9331),
            drop=0.0052,
            drop_interval=(0.0009, 0.0095),
            level=0.95,
            method="paired, Newcombe",
            floor=0.9214,
            met=True,
            confirmed=True,
        ),
        ev.PhaseStarted(phase="export"),
        ev.Exported(path="exports/model.tflite", result=export_answer("exports/model.tflite")),
        ev.PhaseStarted(phase="controls"),
        ev.ControlMeasured(name="dense_fine_tuned", search=0.9351, report=0.934, epochs=6),
        ev.RunEnded(outcome="met", seconds=431.0),
    ]


def export_answer(path: str) -> dict[str, object]:
    """What `export --json` prints."""
    return {
        "schema": 1,
        "path": path,
        "bytes": 61_200,
        "gzip_bytes": 34_900,
        "checks": {
            "reloaded": True,
            "max_abs_diff": 2.4e-06,
            "agreement": 1.0,
            "metric": "accuracy",
            "value": 0.9249,
            "latency_ms": {"median": 0.81, "p90": 0.93, "runs": 50, "threads": 1},
        },
    }


def whole() -> list[ev.Event]:
    """A whole run."""
    return [*beginning(), *middle(), *ending()]
