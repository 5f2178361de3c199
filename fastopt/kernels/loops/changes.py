"""What is done to lanes before the rule's step and after it, where an option asks for it; loops/many.py calls it."""

import numpy as np

from ...linking import stand_in
from ..modifiers import STAGES, parts
from ..norms import clip_factor, norm_of_one
from .lanes import ALL, BOUNDED, CLIPS_NORM, FIRST, ITERATIONS, SCALED, SINCE, STAGED, WHO, G
from .many import LANES, read
from .minimize import SIGN


@stand_in
def to_scale(lanes, numbers, size):
    """Takes x and its gradient to x / scale."""


@stand_in
def stage(lanes, numbers, size):
    """Modifies the gradient."""


@stand_in
def scaled_back(lanes, numbers, size):
    """Takes x back."""


@stand_in
def project(lanes, numbers, size):
    """Takes x into the bounds."""


def change(job):
    """Scale x, and modify the gradient."""
    _, numbers, _, _, _, table, _, _, plan, lanes, c, _, _, at = read(job, 0)
    where, size, own = lanes.ctypes.data, lanes.shape[1], c.shape[0] - STAGES
    if plan[SCALED]:
        to_scale(where, 0, size)
    if plan[STAGED]:
        if plan[CLIPS_NORM]:
            clip(lanes, c, at, table, plan, numbers)
        stage(where, c.ctypes.data + own * LANES * c.itemsize, size)


def clip(lanes, c, at, table, plan, numbers):
    """The factor of ``clip_norm`` in the stage's scale; the norm to clip to is the table's last number."""
    own, g = c.shape[0] - STAGES, np.empty(lanes.shape[1], lanes.dtype)
    for lane in range(LANES):
        if at[WHO, lane] >= 0:
            for j in range(g.size):
                g[j] = lanes[G, j, lane]
            row = table[at[ITERATIONS, lane] + at[ALL, SINCE] - plan[FIRST]]
            factor = clip_factor(norm_of_one(g, row[own]), row[row.size - 1])
            first, scale = parts(numbers[at[WHO, lane], SIGN] * factor)
            c[own + 1, lane], c[own + 2, lane] = first, scale


def correct(job):
    """Scale x back, and keep it within the bounds."""
    _, _, _, _, _, _, _, _, plan, lanes, _, _, _, _ = read(job, 0)
    where, size = lanes.ctypes.data, lanes.shape[1]
    if plan[SCALED]:
        scaled_back(where, 0, size)
    if plan[BOUNDED]:
        project(where, 0, size)
