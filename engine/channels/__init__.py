"""Channels: which can be removed together, what a cut costs and saves, and the cut itself.

``trace`` finds the groups of a layer graph, ``plan_uniform`` and ``plan_global`` choose from
scores, ``cost`` counts. Surgery and its oracle are imported by their own names
(:mod:`engine.channels.surgery`, :mod:`engine.channels.oracle`). No Keras, no TensorFlow.
"""

from engine.channels.cost import Cost, LayerCost, cost
from engine.channels.groups import ChannelGroup, Channels
from engine.channels.plan import Plan, plan_global, plan_uniform
from engine.channels.trace import trace

__all__ = [
    "ChannelGroup", "Channels", "Cost", "LayerCost", "Plan", "cost", "plan_global",
    "plan_uniform", "trace",
]  # fmt: skip
