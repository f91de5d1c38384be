"""Greedy: a channel matters as much as is lost when it alone goes, found again and again.

Abbasi-Asl and Yu (Structural Compression of Convolutional Neural Networks Based on Greedy Filter
Pruning, arXiv 1705.07356). One filter a round would take as many rounds as there are filters, so
each round takes the weaker half of what is left; a unit's score is how long it stayed.
:mod:`engine.training.removal` measures what is lost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.criteria.base import Inputs, Scores, measured

ROUNDS = 2

Lost = Callable[[np.ndarray, int], float]
"""What is lost when a unit goes besides those that are gone: (which are there, the unit)."""


def greedy(inputs: Inputs) -> Scores:
    """Scores of all groups that can be cut."""
    return measured(inputs, "greedy")


def order_of_removal(units: np.ndarray, there: np.ndarray, lost: Lost, rounds: int) -> np.ndarray:
    """When each unit goes, 0 first, with ``rounds`` measurements of all that are left.

    Parameters
    ----------
    units
        The units that may go.
    there
        Mask over all units of the model before any goes; it is not changed.
    lost
        Called once a round for every unit that is left.
    """
    there, left = there.copy(), units
    when = np.zeros(units.size)
    gone = 0
    for number in range(rounds):
        losses = np.array([lost(there, int(unit)) for unit in left])
        order = np.argsort(losses, kind="stable")
        count = left.size if number == rounds - 1 else left.size // 2
        for index in order[:count]:
            when[np.flatnonzero(units == left[index])] = gone
            gone += 1
        there[left[order[:count]]] = False
        left = left[np.sort(order[count:])]
    return when
