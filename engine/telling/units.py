"""Numbers as people read them: KB, MB, percent, points, minutes; "not measured", never "None".

Pure functions of numbers to text; one place for units and rounding.
"""

from __future__ import annotations

import math

NOT_MEASURED = "not measured"
NBSP = "\u00a0"
"""Between a number and its unit, so that a line never breaks there."""

_ERRORS = frozenset({"mae", "rmse", "script_error"})
_PERCENT_METRICS = frozenset(
    {
        "accuracy",
        "balanced_accuracy",
        "top5",
        "macro_f1",
        "iou",
        "dice",
        "mean_iou",
        "mean_dice",
        "pixel_accuracy",
    }
)
_METRIC_NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "top5": "top-5 accuracy",
    "macro_f1": "macro F1",
    "iou": "IoU",
    "dice": "Dice",
    "mean_iou": "mean IoU",
    "mean_dice": "mean Dice",
    "pixel_accuracy": "pixel accuracy",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
}


def known(value: float | None) -> bool:
    """Whether there is a finite number."""
    return value is not None and math.isfinite(value)


def size(size_bytes: float | None) -> str:
    """Bytes as KB or MB (of 1000), three figures."""
    if size_bytes is None or not math.isfinite(size_bytes):
        return NOT_MEASURED
    if size_bytes < 1000:
        return f"{size_bytes:.0f}{NBSP}B"
    for unit in ("KB", "MB"):
        size_bytes /= 1000
        if size_bytes < 999.5:
            return f"{_three(size_bytes)}{NBSP}{unit}"
    return f"{_three(size_bytes / 1000)}{NBSP}GB"


def count(value: float | None) -> str:
    """A count in full, digits grouped."""
    if value is None or not math.isfinite(value):
        return NOT_MEASURED
    return f"{value:,.0f}"


def rough(number: int) -> int:
    """An estimated count, in two figures: what else it says is not known."""
    return round(number, min(0, 2 - len(str(abs(number)))))


def short_count(value: float | None) -> str:
    """A count in three figures with k, M or G."""
    if value is None or not math.isfinite(value):
        return NOT_MEASURED
    for unit in ("", "k", "M"):
        if abs(value) < 999.5:
            return f"{value:.0f}" if not unit else f"{_three(value)}{NBSP}{unit}"
        value /= 1000
    return f"{_three(value)}{NBSP}G"


def _three(value: float) -> str:
    if value < 9.995:
        return f"{value:.2f}"
    if value < 99.95:
        return f"{value:.1f}"
    return f"{value:.0f}"


def tick(text: str) -> str:
    """A number at an axis, without zeros that say nothing: "1.00 MB" is "1 MB"."""
    number, _, unit = text.partition(NBSP)
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return f"{number}{NBSP}{unit}" if unit else number


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 0..1 as percent."""
    if share is None or not math.isfinite(share):
        return NOT_MEASURED
    return f"{share * 100:.{digits}f}{NBSP}%"


def points(difference: float | None, *, signed: bool = False) -> str:
    """A difference of shares as points: 0.012 is "1.2 points"."""
    if difference is None or not math.isfinite(difference):
        return NOT_MEASURED
    number = difference * 100
    text = f"{number:+.1f}" if signed else f"{number:.1f}"
    text = text.replace("-0.0", "0.0").replace("+0.0", "0.0").replace("-", "\u2212")
    return f"{text}{NBSP}point" if text.lstrip("+\u2212") == "1.0" else f"{text}{NBSP}points"


def is_share(metric: str | None) -> bool:
    """Whether a metric is a share, shown in percent and points."""
    return metric is None or metric in _PERCENT_METRICS


def is_error(metric: str | None) -> bool:
    """Whether less of a metric is better."""
    return metric in _ERRORS


def metric_name(metric: str | None) -> str:
    """A metric's name in a sentence."""
    return _METRIC_NAMES.get(metric or "accuracy", (metric or "accuracy").replace("_", " "))


def metric_head(metric: str | None) -> str:
    """A metric's name at the head of a line or of an axis."""
    name = metric_name(metric)
    return name[:1].upper() + name[1:]


def number(value: float, *, signed: bool = False) -> str:
    """A number without a unit in four figures, or whole from 1,000 on."""
    sign = "+" if signed else ""
    text = f"{value:{sign},.0f}" if abs(value) >= 999.95 else f"{value:{sign}.4g}"
    return f"\u2212{text[1:]}" if text.startswith("-") else text


def metric_value(value: float | None, metric: str | None) -> str:
    """A metric's value in its own unit."""
    if value is None or not math.isfinite(value):
        return NOT_MEASURED
    return percent(value) if is_share(metric) else number(value)


def metric_difference(value: float | None, metric: str | None, *, signed: bool = False) -> str:
    """A difference of a metric: points for shares."""
    if value is None or not math.isfinite(value):
        return NOT_MEASURED
    if is_share(metric):
        return points(value, signed=signed)
    return number(value, signed=signed)


def interval(low: float | None, high: float | None, metric: str | None) -> str:
    """An interval of a metric: "91.6 to 92.9 %"."""
    if low is None or high is None or not math.isfinite(low) or not math.isfinite(high):
        return NOT_MEASURED
    if is_share(metric):
        return f"{low * 100:.1f} to {high * 100:.1f}{NBSP}%"
    return f"{number(low)} to {number(high)}"


def times(before: float | None, after: float | None) -> str:
    """How many times smaller: "9.1\u00d7"; empty where that cannot be said."""
    if before is None or after is None or before <= 0 or after <= 0:
        return ""
    ratio = before / after
    return f"{ratio:.1f}\u00d7" if ratio < 99.5 else f"{ratio:.0f}\u00d7"


def duration(seconds: float | None) -> str:
    """Time in words short enough for a status bar."""
    if seconds is None or not math.isfinite(seconds):
        return NOT_MEASURED
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return "under 1 s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if seconds < 600:
        whole, rest = divmod(round(seconds), 60)
        return f"{whole} min {rest:02d} s"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def time_left(seconds: float | None) -> str:
    """An upper bound, in whole minutes."""
    if seconds is None or not math.isfinite(seconds):
        return "time left: not estimated yet"
    if seconds < 60:
        return "less than a minute left"
    return f"at most {duration(math.ceil(seconds / 60) * 60).replace(' 00 s', '')} left"


def shape(value: tuple[int | None, ...] | None) -> str:
    """A shape without the batch axis: "28 \u00d7 28 \u00d7 32"; "?" where a size is unknown."""
    if value is None:
        return "unknown"
    if not value:
        return "scalar"
    return " \u00d7 ".join("?" if n is None else str(n) for n in value)


def plural(number: int, one: str, many: str | None = None) -> str:
    """A count with its noun: "1 trial", "3 trials"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
