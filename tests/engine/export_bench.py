"""What the export tests share: two helper processes, small nets on disk, samples for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from engine.export import HelperProcess
from tests.engine.export_nets import COUNT, images, live


@dataclass(frozen=True)
class Bench:
    """Two helper processes: the one that converts never checks."""

    converter: HelperProcess
    checker: HelperProcess
    folder: Path

    def call(self, target: str, payload: object, *, timeout_s: float) -> Any:
        """Send conversions to one process and checks to the other."""
        helper = self.converter if ".convert:" in target else self.checker
        return helper.call(target, payload, timeout_s=timeout_s)

    def source(self, net: str) -> Path:
        """The Keras file of a net, written once."""
        path = self.folder / f"{net}.keras"
        if not path.exists():
            live(net).save(path)
        return path

    def samples(self, net: str) -> Path:
        """Samples with the net's own decisions as labels, where it has one output."""
        path = self.folder / f"{net}.npz"
        if not path.exists():
            x = images(net, COUNT)
            model = keras.saving.load_model(self.source(net), compile=False)
            answer = model(x, training=False)
            if isinstance(answer, list | tuple):
                np.savez(path, x=x)
            else:
                out = answer.numpy()
                y = out.argmax(-1) if out.shape[-1] > 1 else (out[..., 0] > 0.5).astype(int)
                np.savez(path, x=x, y=y)
        return path


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Helpers that live as long as the tests."""
    with HelperProcess(max_calls=9999) as converter, HelperProcess(max_calls=9999) as checker:
        converter.start()
        checker.start()
        yield Bench(converter, checker, tmp_path_factory.mktemp("nets"))
