"""Data sets: bundled or from a file; the model that fits them; a part held out, and features of one scale."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import BadInput, csvfile

BUNDLED = ("digits", "breast_cancer", "diabetes")
MODELS = ("linear", "logistic", "softmax", "poisson", "mlp")
FEW_CLASSES = 20  # whole numbers with more values than that are taken for quantities where no model was named


@dataclass(frozen=True)
class Table:
    """All examples, before any scaling.

    ``labels`` says whether the target holds class labels; None where a file does not tell. ``scaled`` says that the
    features share a scale already.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    labels: bool | None
    scaled: bool = False


@dataclass(frozen=True)
class Examples:
    """What a model is trained on and what it is judged by, in the form that its loss takes."""

    X: np.ndarray
    y: np.ndarray
    X_held: np.ndarray
    y_held: np.ndarray
    classes: int  # 0 where the target is a quantity


def load(name: str) -> Table:
    if name in BUNDLED:
        from sklearn import datasets

        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        if name == "digits":
            return Table(name, X / 16, y, labels=True, scaled=True)
        return Table(name, X, y, labels=name != "diabetes")
    if not name.lower().endswith(".csv") and not Path(name).exists():
        raise BadInput(f"--data must be {', '.join(BUNDLED)} or a CSV file, got {name!r}")
    return Table(Path(name).name, *csvfile.read(name), labels=None)


def default_model(table: Table) -> str:
    """Two classes: logistic. A few whole numbers: softmax. Quantities: linear."""
    values = np.unique(table.y)
    if table.labels is False or not is_whole(values):
        return "linear"
    if len(values) == 2:
        return "logistic"
    few = 2 < len(values) <= min(FEW_CLASSES, len(table.y) // 5)
    return "softmax" if table.labels or few else "linear"


def split(table: Table, model: str, seed: int) -> Examples:
    """A random fifth held out; what is scaled is scaled by the rest alone, so that nothing leaks."""
    y, classes = TARGETS[model](table)
    order = np.random.default_rng(seed).permutation(len(y))
    held, train = order[: len(y) // 5], order[len(y) // 5 :]
    X = table.X if table.scaled else standardised(table, table.X, train)
    if model == "linear":
        y = standardised(table, y, train)
    if model != "mlp":
        X = np.column_stack([X, np.ones(len(X))])  # the bias
    return Examples(X[train], y[train], X[held], y[held], classes)


def standardised(table: Table, a: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1 in each column, over the examples of ``train``; a constant column becomes zeros."""
    with np.errstate(all="ignore"):
        mean, spread = a[train].mean(axis=0), a[train].std(axis=0)
        varies = a[train].min(axis=0) < a[train].max(axis=0)  # the spread of a constant may round to more than 0
        out = (a - mean) / np.where(varies, spread, 1.0)
    if not (np.isfinite(spread).all() and np.isfinite(out).all()):
        raise BadInput(f"{table.name} must have numbers whose squares are finite, got larger ones")
    return out


def is_whole(values: np.ndarray) -> bool:
    return bool((values == np.floor(values)).all())


# --- the target as a model takes it, and the number of classes -------------------------------------------------------


def quantity(table: Table) -> tuple[np.ndarray, int]:
    if table.labels:
        raise BadInput(f"--model linear must have a quantity as target, got the class labels of {table.name}")
    if len(np.unique(table.y)) < 2:
        raise BadInput(f"--model linear must have a target that varies, got {table.y[0]:g} throughout {table.name}")
    return table.y.astype(np.float64), 0


def count(table: Table) -> tuple[np.ndarray, int]:
    wanted = "--model poisson must have counts 0, 1, 2, ... as target"
    if table.labels:
        raise BadInput(f"{wanted}, got the class labels of {table.name}")
    if not is_whole(table.y) or table.y.min() < 0:
        wrong = table.y[(table.y != np.floor(table.y)) | (table.y < 0)][0]
        raise BadInput(f"{wanted}, got {wrong:g} in {table.name}")
    if not table.y.any():
        raise BadInput(f"{wanted}, not all of them 0, got only 0 in {table.name}")
    return table.y.astype(np.float64), 0


def label(model: str) -> Callable[[Table], tuple[np.ndarray, int]]:
    def codes(table: Table) -> tuple[np.ndarray, int]:
        values, y = np.unique(table.y, return_inverse=True)
        if table.labels is False or not is_whole(values):
            raise BadInput(f"--model {model} must have class labels as target, got the quantities of {table.name}")
        if model == "logistic" and len(values) != 2:
            raise BadInput(f"--model logistic must have two classes, got {len(values)} in {table.name}")
        if not 2 <= len(values) <= len(y) // 2:
            raise BadInput(
                f"--model {model} must have two classes or more, of several examples each, "
                f"got {len(values)} in the {len(y)} examples of {table.name}"
            )
        return y.astype(np.int64), len(values)

    return codes


TARGETS = {"linear": quantity, "poisson": count} | {m: label(m) for m in ("logistic", "softmax", "mlp")}
