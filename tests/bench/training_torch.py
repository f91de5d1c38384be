"""The training step's bench in PyTorch, channels last: run by :mod:`.training` in another Python.

``PYTHON -I training_torch.py BATCH THREADS`` builds the same ResNet-20, prints PyTorch's version,
and then, for each line on its input with a number of steps, CPU and wall seconds a step as JSON. It
needs PyTorch and NumPy and nothing of this project, whose environment has no PyTorch.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def conv_norm(inputs: int, width: int, size: int, stride: int) -> nn.Sequential:
    """Convolution without bias, then batch norm with the momentum of Keras's."""
    return nn.Sequential(
        nn.Conv2d(inputs, width, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(width, eps=1e-3, momentum=0.01),
    )


class Block(nn.Module):
    """Two convolutions and a shortcut, projected where the width changes."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = conv_norm(inputs, width, 3, stride)
        self.second = conv_norm(width, width, 3, 1)
        self.shortcut = conv_norm(inputs, width, 1, stride) if stride == 2 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images [n, channels, height, width] to the block's output."""
        y = functional.relu(self.first(x))
        return functional.relu(self.second(y) + self.shortcut(x))


class ResNet20(nn.Module):
    """As ``resnet20`` of :mod:`.training`; the output is logits."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        before = 16
        for width in (16, 32, 64):
            for block in range(3):
                stride = 2 if block == 0 and width > 16 else 1
                blocks.append(Block(before, width, stride))
                before = width
        self.stem = conv_norm(3, 16, 3, 1)
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images [n, 3, 32, 32] to logits [n, 10]."""
        x = self.blocks(functional.relu(self.stem(x)))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


def main() -> None:
    """Build, warm up, then measure on demand."""
    batch, threads = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.normal(size=(batch, 3, 32, 32)).astype(np.float32))
    images = images.to(memory_format=torch.channels_last)
    labels = torch.from_numpy(random.integers(0, 10, batch))
    model = ResNet20().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True)

    def step() -> None:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    for _ in range(3):
        step()
    print(json.dumps({"torch": torch.__version__, "threads": threads}), flush=True)
    for line in sys.stdin:
        steps = int(line)
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(steps):
            step()
        body = {
            "cpu_s": (time.process_time() - cpu) / steps,
            "wall_s": (time.perf_counter() - wall) / steps,
        }
        print(json.dumps(body), flush=True)


if __name__ == "__main__":
    main()
