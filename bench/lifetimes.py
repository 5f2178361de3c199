"""``python bench/lifetimes.py``: the README's picture of decays fitted pixel by pixel, of a simulated microscope."""

import io
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numba import njit
from PIL import Image

import fastopt

SIDE = 200
PICTURE = Path(__file__).parent / "results" / "lifetimes.png"
# Of each cell: the centre and the two half axes in pixels, its turn, its lifetime and that of its nucleus in ns.
CELLS = (
    ((52, 58), (38, 27), 0.4, 2.0, 3.2),
    ((60, 140), (34, 30), -0.7, 2.6, 3.6),
    ((138, 48), (41, 26), 1.1, 1.6, 2.8),
    ((142, 134), (46, 33), -0.2, 2.3, 3.4),
)
T = np.linspace(0.1, 12.5, 32)  # ns
SHADES = 60  # of each map: all and the letters' fit into one palette
DARK = 2.0  # photons in each interval that are none of the decay


@njit
def decay(t, amplitude, lifetime, dark):
    return amplitude * np.exp(-t / lifetime) + dark


def scene():
    """Amplitude and lifetime of each pixel."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    amplitude, lifetime = np.full((SIDE, SIDE), 50.0), np.full((SIDE, SIDE), 1.2)
    for (row, column), (long, short), turn, tau, nucleus in CELLS:
        y, x = rows - row, columns - column
        u, v = (np.cos(turn) * x + np.sin(turn) * y) / long, (np.cos(turn) * y - np.sin(turn) * x) / short
        angle = np.arctan2(v, u)
        radius = np.hypot(u, v) / (1 + 0.07 * np.sin(3 * angle + row) + 0.04 * np.sin(7 * angle))
        inside, core = radius < 1, np.hypot(u - 0.1, v + 0.05) < 0.36
        amplitude[inside] = (120 + 300 * (1 - radius**2) + 30 * np.sin(0.45 * x + 3 * np.sin(0.11 * y)))[inside]
        lifetime[inside] = (tau + 0.25 * u)[inside]
        amplitude[core] *= 0.7
        lifetime[core] = nucleus
    return amplitude, lifetime


def photons(amplitude, lifetime):
    """How many came in each interval of time, in each pixel."""
    expected = decay.py_func(T, amplitude.reshape(-1, 1), lifetime.reshape(-1, 1), DARK)
    return np.random.default_rng(0).poisson(expected).astype(np.float64)


def fitted(counts):
    """Twice: the first fit says how much the photons of each interval vary, which their number itself would bias."""
    start = np.stack([counts[:, 0] + 1, np.full(len(counts), 2.0), np.ones(len(counts))], axis=1)
    first = fastopt.curve_fit_many(decay, T, counts, start)
    expected = decay.py_func(T, *first.x.T[:, :, None])
    return fastopt.curve_fit_many(
        decay, T, counts, first.x, sigma=np.sqrt(np.maximum(expected, 1)), absolute_sigma=True
    )


def draw(path=PICTURE):
    """Write the picture; returns the fits."""
    counts = photons(*scene())
    res = fitted(counts)
    panels = {
        "photons": (counts.sum(axis=1), "gray", None),
        "lifetime, ns": (res.x[:, 1], "viridis", (1, 4)),
        "its standard error, ns": (res.stderr[:, 1], "magma", (0, 0.25)),
    }
    figure = Figure(figsize=(9.6, 3), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, (values, colours, limits)) in zip(figure.subplots(1, 3), panels.items()):
        colours = colormaps[colours].resampled(SHADES)
        image = axes.imshow(values.reshape(SIDE, SIDE), cmap=colours, clim=limits, interpolation="nearest")
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_axis_off()
        figure.colorbar(image, ax=axes, shrink=0.8).outline.set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer)
    with Image.open(buffer) as drawn:  # a palette has a third of the bytes
        drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    return res


if __name__ == "__main__":
    draw()
