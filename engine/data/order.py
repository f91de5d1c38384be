"""Labels in another order than the model's outputs, put right.

Owns the words of ``--label-order`` and what an order does to labels and class names.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.data.parts import LoadedData, Part
from engine.errors import UserError


def parse_order(text: str) -> tuple[int, ...]:
    """The model's output for each class of the data, from text such as ``2,0,1``.

    Raises
    ------
    UserError
        ``data.label_order`` where these are not the numbers from 0, once each.
    """
    try:
        order = tuple(int(word) for word in text.split(","))
    except ValueError:
        order = ()
    if not order or sorted(order) != list(range(len(order))):
        raise UserError(
            "data.label_order",
            f"The order of labels is 'given', 'found', or each output once: {text!r}.",
            "Name the model's output for each class of the data, such as 2,0,1.",
        )
    return order


def reordered(data: LoadedData, order: tuple[int, ...]) -> LoadedData:
    """The data with the labels that the model's outputs mean.

    Raises
    ------
    UserError
        ``data.label_order`` where the data have no such classes.
    """
    if data.labels_are != "classes" or len(order) != len(data.class_names):
        raise UserError(
            "data.label_order",
            f"The order names {len(order)} classes; the data have {len(data.class_names)} "
            f"({data.labels_are}).",
            "Leave --label-order out, or name each class once.",
        )
    table = np.asarray(order, np.int64)

    def turned(part: Part) -> Part:
        known = (part.labels >= 0) & (part.labels < len(table))
        labels = np.where(known, table[np.where(known, part.labels, 0)], part.labels)
        return replace(part, labels=labels)

    names = [""] * len(order)
    for own, output in enumerate(order):
        names[output] = data.class_names[own]
    return replace(
        data,
        train=turned(data.train), search=turned(data.search), report=turned(data.report),
        class_names=tuple(names),
        notes=(*data.notes, f"Labels were put into the order {','.join(map(str, order))}."),
    )  # fmt: skip
