"""What all trials of a search share, made for tests."""

from __future__ import annotations

import numpy as np

from engine.control import EngineControl
from engine.data.sample import sample_model_path
from engine.job import DataSpec, Job
from engine.search.context import Context, complete, open_data, open_files


def sample_context() -> Context:
    """The context of a search on the sample, whose baseline was not measured."""
    job = Job(model=str(sample_model_path()), data=DataSpec(source="digits"))
    control = EngineControl()
    opened = open_data(job, *open_files(job), control)
    return complete(job, opened, np.zeros(len(opened.data.search)), control)
