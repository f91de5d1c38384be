"""The matrix: every kind of graph in every format and quantisation.

Saved, re-opened in another process, compared with the Keras model, sizes counted again. What is
unsafe is refused with the reason, before any process is started.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from engine import childproc
from engine.errors import UserError
from engine.export import export_model
from engine.export.unsafe import refuse_unsafe
from engine.job import Quantize
from tests.engine.export_nets import COUNT, NETS, live

if TYPE_CHECKING:
    from tests.engine.export_bench import Bench

pytest_plugins = ["tests.engine.export_bench"]

# Keras 3.15 reads its own variables with numpy.array, whose copy keyword they do not know
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to write a model; ``least`` is the agreement that is promised for it."""

    to: str
    quantize: Quantize = "none"
    sparse: bool = False
    io: str = "float"
    least: float = 1.0

    def __str__(self) -> str:
        words = [self.to, self.quantize, "sparse" if self.sparse else "", self.io]
        return "-".join(word for word in words if word not in ("", "none", "float"))


KINDS = (
    Kind("tflite"),
    Kind("tflite", sparse=True),
    Kind("tflite", "float16", least=0.99),
    Kind("tflite", "float16", sparse=True, least=0.99),
    Kind("tflite", "dynamic", least=0.8),
    Kind("tflite", "int8", least=0.8),
    Kind("tflite", "int8", sparse=True, least=0.8),
    Kind("tflite", "int8", io="int8", least=0.8),
    Kind("tflite", "int8", io="uint8", least=0.8),
    Kind("savedmodel"),
    Kind("keras"),
    Kind("h5"),
)
NAMES = tuple(NETS)


def quick(net: str, kind: Kind) -> bool:
    """Every net and every kind stand in the normal suite, two kinds a net and two nets a kind."""
    return (KINDS.index(kind) - 2 * NAMES.index(net)) % len(KINDS) in (0, 1, 6, 7)


@pytest.mark.parametrize(
    ("net", "kind"),
    [
        pytest.param(
            net, kind, id=f"{net}-{kind}", marks=[] if quick(net, kind) else [pytest.mark.slow]
        )
        for net in NETS
        for kind in KINDS
    ],
)
def test_that_an_export_gives_what_the_model_gives(
    bench: Bench, tmp_path: Path, net: str, kind: Kind
) -> None:
    def fresh(target: str, payload: Any, *, timeout_s: float) -> Any:
        """The check in a process of its own; of what is quick in one that others used before."""
        if ".check:" in target and not quick(net, kind):
            return childproc.call(target, payload, timeout_s=timeout_s)
        return bench.call(target, payload, timeout_s=timeout_s)

    out = tmp_path / f"{net}.{kind.to}"
    source = sparse_source(bench, net) if kind.sparse else bench.source(net)
    samples = bench.samples(net)
    result = export_model(
        source, kind.to, out, quantize=kind.quantize, sparse=kind.sparse, io=kind.io,
        samples=samples, caller=fresh,
    )  # fmt: skip
    checks = result.checks
    assert checks.reloaded
    assert not checks.live
    assert checks.samples == COUNT
    assert checks.max_abs_diff is not None
    assert checks.agreement is not None
    if kind.quantize == "none":
        assert checks.max_abs_diff <= 1e-4
        assert checks.agreement == 1.0
        assert checks.zeros == checks.model_zeros
    else:
        assert checks.max_abs_diff > 0
        assert checks.agreement >= kind.least
    if net != "two_outputs" and not kind.sparse:
        assert checks.model_value == 1.0
        assert checks.metric == ("iou" if net == "unet" else "accuracy")
        assert checks.value is not None
        assert checks.value >= kind.least if net == "unet" else checks.value == checks.agreement
    assert (checks.latency_ms is not None) == (kind.to == "tflite")
    files = [p for p in out.rglob("*") if p.is_file()] if out.is_dir() else [out]
    assert result.bytes == sum(p.stat().st_size for p in files)
    packed = [gzip.compress(p.read_bytes(), 9, mtime=0) for p in files]
    assert result.gzip_bytes == sum(map(len, packed))
    assert sorted(p.name for p in tmp_path.iterdir()) == [out.name]
    if kind.sparse:
        assert result.sparse == ("DENSIFY" in (result.ops or {}))
        assert result.sparse or any("Sparse encoding would not" in n for n in result.notes)


def sparse_source(bench: Bench, net: str) -> Path:
    """The Keras file of a net with nine tenths of its kernels zero, written once."""
    path = bench.folder / f"{net}-sparse.keras"
    if not path.exists():
        model = live(net)
        for weight in model.weights:
            if "kernel" in weight.path:
                values = keras.ops.convert_to_numpy(weight)
                small = np.abs(values) < np.quantile(np.abs(values), 0.9)
                weight.assign(np.where(small, 0, values))
        model.save(path)
    return path


@pytest.mark.parametrize(
    ("kind", "calibrated", "reason"),
    [
        (Kind("tflite", "dynamic", sparse=True), True, "no runtime can run"),
        (Kind("tflite", "int8"), False, "needs samples"),
        (Kind("tflite", "float16", io="int8"), True, "Only full int8"),
        (Kind("tflite", io="uint8"), True, "Only full int8"),
    ],
    ids=str,
)
def test_that_an_unsafe_combination_is_refused_with_the_reason(
    kind: Kind, calibrated: bool, reason: str
) -> None:
    with pytest.raises(UserError, match=reason) as raised:
        refuse_unsafe(quantize=kind.quantize, sparse=kind.sparse, io=kind.io, calibrated=calibrated)
    assert raised.value.hint
