"""NIST's Statistical Reference Datasets for nonlinear regression: data, starts, certified values, and the models.

The files in tests/solve/strd are NIST's own (https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml), text and all. A
model takes one point, as fastopt does, or an array of them, as SciPy does.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

FOLDER = Path(__file__).parents[1] / "solve" / "strd"
PARAMETER = re.compile(r"^ *b\d+ *=" + 2 * r" +(\S+)" + 2 * r" +(-?\d\.\d{10}E[+-]\d\d)" + "$", re.MULTILINE)


@njit
def misra1a(x, b1, b2):
    return b1 * (1 - np.exp(-b2 * x))


@njit
def misra1b(x, b1, b2):
    return b1 * (1 - (1 + b2 * x / 2) ** -2)


@njit
def misra1c(x, b1, b2):
    return b1 * (1 - (1 + 2 * b2 * x) ** -0.5)


@njit
def misra1d(x, b1, b2):
    return b1 * b2 * x / (1 + b2 * x)


@njit
def chwirut(x, b1, b2, b3):
    return np.exp(-b1 * x) / (b2 + b3 * x)


@njit
def danwood(x, b1, b2):
    return b1 * x**b2


@njit
def lanczos(x, b1, b2, b3, b4, b5, b6):
    return b1 * np.exp(-b2 * x) + b3 * np.exp(-b4 * x) + b5 * np.exp(-b6 * x)


@njit
def gauss(x, b1, b2, b3, b4, b5, b6, b7, b8):
    return b1 * np.exp(-b2 * x) + b3 * np.exp(-(((x - b4) / b5) ** 2)) + b6 * np.exp(-(((x - b7) / b8) ** 2))


@njit
def kirby2(x, b1, b2, b3, b4, b5):
    return (b1 + b2 * x + b3 * x**2) / (1 + b4 * x + b5 * x**2)


@njit
def cubics(x, b1, b2, b3, b4, b5, b6, b7):
    return (b1 + b2 * x + b3 * x**2 + b4 * x**3) / (1 + b5 * x + b6 * x**2 + b7 * x**3)


@njit
def mgh09(x, b1, b2, b3, b4):
    return b1 * (x**2 + x * b2) / (x**2 + x * b3 + b4)


@njit
def mgh10(x, b1, b2, b3):
    return b1 * np.exp(b2 / (x + b3))


@njit
def mgh17(x, b1, b2, b3, b4, b5):
    return b1 + b2 * np.exp(-x * b4) + b3 * np.exp(-x * b5)


@njit
def nelson(x, b1, b2, b3):
    """The logarithm of y is fitted, to two predictors."""
    return b1 - b2 * x[0] * np.exp(-b3 * x[1])


@njit
def roszman1(x, b1, b2, b3, b4):
    return b1 - b2 * x - np.arctan(b3 / (x - b4)) / np.pi


@njit
def rat42(x, b1, b2, b3):
    return b1 / (1 + np.exp(b2 - b3 * x))


@njit
def rat43(x, b1, b2, b3, b4):
    return b1 / (1 + np.exp(b2 - b3 * x)) ** (1 / b4)


@njit
def bennett5(x, b1, b2, b3):
    return b1 * (b2 + x) ** (-1 / b3)


@njit
def eckerle4(x, b1, b2, b3):
    return b1 / b2 * np.exp(-0.5 * ((x - b3) / b2) ** 2)


@njit
def enso(x, b1, b2, b3, b4, b5, b6, b7, b8, b9):
    year, second, third = 2 * np.pi * x / 12, 2 * np.pi * x / b4, 2 * np.pi * x / b7
    first = b1 + b2 * np.cos(year) + b3 * np.sin(year)
    return first + b5 * np.cos(second) + b6 * np.sin(second) + b8 * np.cos(third) + b9 * np.sin(third)


SHARED = {"BoxBOD": misra1a, "Chwirut1": chwirut, "Chwirut2": chwirut, "Hahn1": cubics, "Thurber": cubics}
SHARED |= {f"{name}{k}": model for name, model in (("Lanczos", lanczos), ("Gauss", gauss)) for k in (1, 2, 3)}
NAMES = sorted(path.stem for path in FOLDER.glob("*.dat"))


@dataclass
class Dataset:
    """``x``: (n,), or a tuple of two such arrays. ``starts``: (2, d). ``rss``: the certified sum of squares."""

    name: str
    model: Any
    x: Any
    y: np.ndarray
    starts: np.ndarray
    parameters: np.ndarray
    stderr: np.ndarray
    rss: float


def text(name):
    return (FOLDER / f"{name}.dat").read_text(encoding="ascii")


def load(name):
    lines = text(name)
    *starts, parameters, stderr = np.array(PARAMETER.findall(lines), dtype=np.float64).T
    rss = float(re.search(r"^Residual Sum of Squares: +(\d\.\d{10}E[+-]\d\d)$", lines, re.MULTILINE)[1])
    rows = lines[lines.rindex("Data: ") :].splitlines()[1:]
    y, *x = np.array([row.split() for row in rows if row], dtype=np.float64).T
    if name == "Nelson":
        return Dataset(name, nelson, tuple(x), np.log(y), np.array(starts), parameters, stderr, rss)
    model = SHARED.get(name) or globals()[name.lower()]
    return Dataset(name, model, x[0], y, np.array(starts), parameters, stderr, rss)


def digits(found, certified):
    """How many digits agree, of the worst: −log₁₀ of the relative error, at most 16; NaN where one is NaN."""
    error = np.max(np.abs(np.asarray(found) / certified - 1))
    return -np.log10(max(error, 1e-16))
