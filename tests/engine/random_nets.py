"""Random live nets for property tests: residual, dense, depthwise, grouped, shared, reshaped ...

A hypothesis strategy draws a small program; each instruction picks tensors from a pool by index,
so that a failing net shrinks to few instructions. Made without Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from engine.modelfile.graph import LayerGraph, Weights
from tests.engine.numpy_net import run
from tests.engine.sketch import Sketch, ref

SIZE = 4
BATCH = 6


@dataclass
class Pool:
    """The sketch and the image-like tensors made so far, all ``SIZE x SIZE x channels``."""

    sketch: Sketch
    tensors: list[int] = field(default_factory=list)
    shared: list[tuple[str, int]] = field(default_factory=list)

    def pick(self, index: int) -> int:
        return self.tensors[-1 - index % len(self.tensors)]

    def width(self, tensor: int) -> int:
        return self.sketch.shape(tensor)[-1]

    def partner(self, tensor: int, index: int) -> int:
        same = [t for t in self.tensors if self.width(t) == self.width(tensor)]
        return same[index % len(same)]


Step = Callable[[Pool, int, int, int], int]
_STEPS: dict[str, Step] = {}


def _step(function: Step) -> Step:
    _STEPS[function.__name__.strip("_")] = function
    return function


ACTS = ("relu", "sigmoid", "tanh", "leaky_relu", "elu", "silu", "softplus", "linear")


@_step
def conv(pool: Pool, a: int, b: int, n: int) -> int:
    x = pool.pick(a)
    act = ACTS[b % len(ACTS)]
    return pool.sketch.layer(
        "Conv2D", x, filters=2 + n % 5, kernel_size=[1 + 2 * (b % 2)] * 2, padding="same",
        activation=act, use_bias=bool(n % 3),
    )  # fmt: skip


@_step
def conv_bn_act(pool: Pool, a: int, b: int, n: int) -> int:
    s = pool.sketch
    x = s.layer(
        "Conv2D", pool.pick(a), filters=2 + n % 5, kernel_size=[3, 3], padding="same",
        use_bias=bool(b % 2),
    )  # fmt: skip
    x = s.layer("BatchNormalization", x, scale=bool(b % 3), center=bool(n % 4))
    return s.layer("Activation", x, activation=ACTS[b % len(ACTS)])


@_step
def residual(pool: Pool, a: int, b: int, n: int) -> int:
    s, x = pool.sketch, pool.pick(a)
    y = s.layer(
        "Conv2D", x, filters=pool.width(x), kernel_size=[3, 3], padding="same", use_bias=False
    )
    y = s.layer("BatchNormalization", y)
    kind = ("Add", "Average", "Maximum", "Subtract")[n % 4]
    return s.layer(kind, [x, y])


@_step
def merge(pool: Pool, a: int, b: int, n: int) -> int:
    x = pool.pick(a)
    return pool.sketch.layer(("Add", "Multiply", "Maximum")[n % 3], [x, pool.partner(x, b)])


@_step
def concat(pool: Pool, a: int, b: int, n: int) -> int:
    x, y = pool.pick(a), pool.pick(b)
    if pool.width(x) + pool.width(y) > 16:
        return conv(pool, a, b, n)
    return pool.sketch.layer("Concatenate", [x, y], axis=-1)


@_step
def depthwise(pool: Pool, a: int, b: int, n: int) -> int:
    x = pool.pick(a)
    return pool.sketch.layer(
        "DepthwiseConv2D", x, kernel_size=[3, 3], padding="same",
        depth_multiplier=1 + (n % 2 if pool.width(x) < 8 else 0), activation=ACTS[b % len(ACTS)],
    )  # fmt: skip


@_step
def separable(pool: Pool, a: int, b: int, n: int) -> int:
    return pool.sketch.layer(
        "SeparableConv2D", pool.pick(a), filters=2 + n % 5, kernel_size=[3, 3], padding="same",
        depth_multiplier=1 + b % 2, use_bias=bool(b % 3),
    )  # fmt: skip


@_step
def grouped(pool: Pool, a: int, b: int, n: int) -> int:
    x = pool.pick(a)
    width = pool.width(x)
    divisors = [g for g in range(1, width + 1) if width % g == 0]
    groups = divisors[b % len(divisors)]
    return pool.sketch.layer(
        "Conv2D", x, filters=groups * (1 + n % 3), kernel_size=[1, 1], groups=groups,
        activation="leaky_relu",
    )  # fmt: skip


@_step
def shared(pool: Pool, a: int, b: int, n: int) -> int:
    for name, width in pool.shared:
        x = pool.pick(a)
        if pool.width(x) == width and n % 4:
            return pool.sketch.again(name, x)
    x = pool.pick(a)
    name = f"inner/shared_{len(pool.shared)}"
    out = pool.sketch.layer(
        "Conv2D", x, name, filters=pool.width(x) if b % 2 else 2 + n % 4, kernel_size=[3, 3],
        padding="same", activation="tanh",
    )  # fmt: skip
    pool.shared.append((name, pool.width(x)))
    return out


@_step
def squeeze_excite(pool: Pool, a: int, b: int, n: int) -> int:
    s, x = pool.sketch, pool.pick(a)
    y = s.layer("GlobalAveragePooling2D", x, keepdims=bool(n % 2))
    if not n % 2:
        y = s.layer("Reshape", y, target_shape=[1, 1, pool.width(x)])
    y = s.layer("Conv2D", y, filters=2 + b % 3, kernel_size=[1, 1], activation="relu")
    y = s.layer("Conv2D", y, filters=pool.width(x), kernel_size=[1, 1], activation="sigmoid")
    return s.layer("Multiply", [x, y])


@_step
def gate(pool: Pool, a: int, b: int, n: int) -> int:
    s, x = pool.sketch, pool.pick(a)
    y = s.layer("Conv2D", x, filters=1, kernel_size=[3, 3], padding="same", activation="sigmoid")
    return s.layer(("Multiply", "Add")[n % 2], [x, y])


@_step
def split(pool: Pool, a: int, b: int, n: int) -> int:
    x = pool.pick(a)
    width = pool.width(x)
    if width < 3:
        return conv(pool, a, b, n)
    first, second = pool.sketch.op(
        "Split", ref(x), outputs=2, indices_or_sections=[1 + b % (width - 1)], axis=-1
    )
    pool.tensors.append(first)
    return second


@_step
def slice_channels(pool: Pool, a: int, b: int, n: int) -> int:
    x = pool.pick(a)
    step = (None, 2, 3, -1)[n % 4]
    start = None if step == -1 else b % min(step or 8, pool.width(x))
    part = {"class_name": "__slice__", "config": {"start": start, "stop": None, "step": step}}
    (out,) = pool.sketch.op("GetItem", ref(x), [{"class_name": "__ellipsis__", "config": {}}, part])
    return out


@_step
def pad_channels(pool: Pool, a: int, b: int, n: int) -> int:
    x = pool.pick(a)
    if pool.width(x) > 8:
        return conv(pool, a, b, n)
    (out,) = pool.sketch.op(
        "Pad", ref(x), pad_width=[[0, 0], [0, 0], [0, 0], [b % 3, n % 3]], mode="constant"
    )
    return out


@_step
def flip(pool: Pool, a: int, b: int, n: int) -> int:
    (out,) = pool.sketch.op("Flip", ref(pool.pick(a)), axis=(-1, 1, 2)[n % 3])
    return out


@_step
def repeat(pool: Pool, a: int, b: int, n: int) -> int:
    x = pool.pick(a)
    if pool.width(x) > 6:
        return conv(pool, a, b, n)
    kind, config = (
        ("Repeat", {"repeats": 2, "axis": -1}) if n % 2 else ("Tile", {"repeats": [1, 1, 1, 2]})
    )
    (out,) = pool.sketch.op(kind, ref(x), **config)
    return out


@_step
def shuffle(pool: Pool, a: int, b: int, n: int) -> int:
    s, x = pool.sketch, pool.pick(a)
    width = pool.width(x)
    divisors = [g for g in range(1, width + 1) if width % g == 0]
    groups = divisors[b % len(divisors)]
    y = s.layer("Reshape", x, target_shape=[SIZE, SIZE, groups, width // groups])
    y = s.layer("Permute", y, dims=[1, 2, 4, 3])
    return s.layer("Reshape", y, target_shape=[SIZE, SIZE, width])


@_step
def pixel_shuffle(pool: Pool, a: int, b: int, n: int) -> int:
    s, x = pool.sketch, pool.pick(a)
    y = s.layer("Conv2D", x, filters=4 * (2 + b % 3), kernel_size=[1, 1])
    dims, shape = (
        ([1, 3, 2, 4, 5], [2, 2, 2 + b % 3]) if n % 2 else ([1, 4, 2, 5, 3], [2 + b % 3, 2, 2])
    )
    y = s.layer("Reshape", y, target_shape=[SIZE, SIZE, *shape])
    y = s.layer("Permute", y, dims=dims)
    y = s.layer("Reshape", y, target_shape=[2 * SIZE, 2 * SIZE, 2 + b % 3])
    return s.layer("AveragePooling2D", y, name=f"average_{len(s.layers)}", pool_size=[2, 2])


@_step
def transpose(pool: Pool, a: int, b: int, n: int) -> int:
    s = pool.sketch
    y = s.layer(
        "Conv2DTranspose", pool.pick(a), filters=2 + n % 4, kernel_size=[2, 2], strides=[2, 2]
    )
    return s.layer("MaxPooling2D", y, name=f"max_{len(s.layers)}", pool_size=[2, 2])


@_step
def norm(pool: Pool, a: int, b: int, n: int) -> int:
    x = pool.pick(a)
    if n % 2:
        return pool.sketch.layer("GroupNormalization", x, groups=-1)
    return pool.sketch.layer("BatchNormalization", x)


@_step
def slope(pool: Pool, a: int, b: int, n: int) -> int:
    return pool.sketch.layer("PReLU", pool.pick(a), shared_axes=[1, 2] if n % 2 else None)


@_step
def spatial(pool: Pool, a: int, b: int, n: int) -> int:
    s, x = pool.sketch, pool.pick(a)
    if n % 3 == 0:
        return s.layer("Permute", x, dims=[2, 1, 3])
    if n % 3 == 1:
        y = s.layer("UpSampling2D", x, size=[2, 2])
        return s.layer("AveragePooling2D", y, name=f"average_{len(s.layers)}", pool_size=[2, 2])
    y = s.layer("Concatenate", [x, pool.partner(x, b)], axis=1)
    return s.layer("MaxPooling2D", y, name=f"max_{len(s.layers)}", pool_size=[2, 1], strides=[2, 1])


@_step
def across(pool: Pool, a: int, b: int, n: int) -> int:
    return pool.sketch.layer("LayerNormalization", pool.pick(a))


@_step
def dense_on_image(pool: Pool, a: int, b: int, n: int) -> int:
    return pool.sketch.layer("Dense", pool.pick(a), units=2 + n % 5, activation=ACTS[b % len(ACTS)])


@_step
def spread(pool: Pool, a: int, b: int, n: int) -> int:
    s = pool.sketch
    y = s.layer("GlobalAveragePooling2D", pool.pick(a))
    y = s.layer("Dense", y, units=SIZE * SIZE * (1 + n % 3), activation="tanh")
    return s.layer("Reshape", y, target_shape=[SIZE, SIZE, 1 + n % 3])


HEADS = ("pool", "flatten", "mask", "stack")


def _head(pool: Pool, kind: str) -> int:
    s, x = pool.sketch, pool.tensors[-1]
    if kind == "mask":
        return s.layer("Conv2D", x, filters=2, kernel_size=[1, 1])
    if kind == "stack":
        (x,) = s.op("Stack", [ref(x), ref(pool.partner(x, 0))], axis=-1)
        x = s.layer("Flatten", x)
    elif kind == "flatten":
        x = s.layer("Dense", s.layer("Flatten", x), units=6, activation="relu")
    else:
        x = s.layer("GlobalAveragePooling2D", x)
    return s.layer("Dense", x, units=3)


@dataclass(frozen=True)
class Net:
    """A graph with live arrays, the images to try it on, and the program that made it."""

    graph: LayerGraph
    weights: Weights
    images: np.ndarray
    program: tuple[tuple[str, int, int, int], ...]


small = st.integers(0, 7)
programs = st.lists(
    st.tuples(st.sampled_from(sorted(_STEPS)), small, small, small), min_size=1, max_size=9
)


def make(program: list[tuple[str, int, int, int]], head: str, seed: int) -> Net:
    """Run a program into a net and settle its norms."""
    pool = Pool(Sketch(seed))
    image = pool.sketch.input(SIZE, SIZE, 2)
    pool.tensors.append(image)
    pool.tensors.append(conv(pool, 0, 1, 3))
    for name, a, b, n in program:
        pool.tensors.append(_STEPS[name](pool, a, b, n))
    graph = pool.sketch.graph([_head(pool, head)])
    images = np.random.default_rng(seed).normal(size=(BATCH, SIZE, SIZE, 2))
    run(graph, pool.sketch.weights, [images], settle=True)
    used = {name: w for name, w in pool.sketch.weights.items() if name in graph.layers}
    return Net(graph, used, images, tuple(program))


nets = st.builds(make, programs, st.sampled_from(HEADS), st.integers(0, 1000))
