"""A model and its data: the objective, where training starts, SciPy's optimum, the score on what was held out."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize
from scipy.special import xlogy

from ... import problems
from ...arrays.namedtuples import record
from ...targets.packed import pack
from . import BadInput
from .data import Examples, Table, split

NAMES = {
    "linear": "linear regression",
    "logistic": "logistic regression",
    "softmax": "softmax regression",
    "poisson": "Poisson regression",
    "mlp": "multilayer perceptron",
}
SCORES = {"linear": "R²", "poisson": "D²"}  # of the others, the accuracy
NO_FIT = 1e-4  # an optimum below this part of the loss at the start counts as 0: the data can be fitted exactly


@dataclass(frozen=True)
class Optimum:
    """The least objective that SciPy found; ``refusal`` says why nothing can be measured in % of it."""

    loss: float | None
    score: float | None
    refusal: str | None = None


@dataclass(frozen=True, eq=False)
class Task:
    data: str
    model: str
    examples: Examples
    l2: float
    hidden: int
    loss: Callable  # loss_and_grad of a batch, with each example's part of the penalty

    @property
    def score_name(self) -> str:
        return SCORES.get(self.model, "accuracy")

    @property
    def size(self) -> int:
        """The number of parameters."""
        params = self.start()
        return params.size if isinstance(params, np.ndarray) else sum(p.size for p in params.values())

    def start(self):
        """New parameters. Zeros, but for Poisson the bias fits the mean count, and the network is random."""
        X, y, classes = self.examples.X, self.examples.y, self.examples.classes
        if self.model == "mlp":
            return pack(problems.init_mlp(X.shape[1], self.hidden, classes))
        if self.model == "softmax":
            return np.zeros((X.shape[1], classes))
        w = np.zeros(X.shape[1])
        if self.model == "poisson":
            w[-1] = np.log(max(y.mean(), 1 / len(y)))
        return w

    def objective(self, params, grads=None) -> float:
        """Of all training examples together; assigns the gradient to ``grads``."""
        if grads is None:
            grads = np.empty_like(params) if isinstance(params, np.ndarray) else params.zeros_like()
        with np.errstate(all="ignore"):
            return float(self.loss(as_argument(params), as_argument(grads), self.examples.X, self.examples.y))

    def score(self, params) -> float | None:
        """On the held-out examples; None where it is not defined, all their targets being the same."""
        X, y = self.examples.X_held, self.examples.y_held
        with np.errstate(all="ignore"):
            if self.model == "mlp":
                predictor = np.tanh(X @ params["W1"] + params["b1"]) @ params["W2"] + params["b2"]
            else:
                predictor = X @ params
            if self.model == "logistic":
                return float(np.mean((predictor > 0) == y))
            if self.score_name == "accuracy":
                return float(np.mean(predictor.argmax(axis=1) == y))
            deviance = squares if self.model == "linear" else poisson_deviance
            mean = predictor if self.model == "linear" else np.exp(predictor)
            nothing = deviance(y, np.full_like(y, y.mean()))
            return float(1 - deviance(y, mean) / nothing) if nothing > 0 else None

    @cached_property
    def optimum(self) -> Optimum:
        """By L-BFGS-B with tolerances at the rounding errors."""
        if self.model == "mlp":
            return Optimum(None, None, "a network has no unique optimum to measure the gap to")
        start = self.start()

        def fun(x):
            grads = np.empty_like(start)
            return self.objective(x.reshape(start.shape), grads), grads.ravel()

        options = {"maxiter": 20_000, "maxfun": 50_000, "ftol": 1e-15, "gtol": 1e-7}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            found = optimize.minimize(fun, start.ravel(), jac=True, method="L-BFGS-B", options=options)
        loss, score = float(found.fun), self.score(found.x.reshape(start.shape))
        if not np.isfinite(loss):
            return Optimum(None, None, f"SciPy found no optimum ({found.message})")
        if loss <= NO_FIT * self.objective(start):
            return Optimum(
                loss, score, "the data can be fitted exactly, so the optimum is 0 or not reached (raise --l2)"
            )
        return Optimum(loss, score)


def make_task(table: Table, model: str, l2: float, hidden: int, seed: int) -> Task:
    """The objective is Σ losses + l2/2·‖θ‖²; a batch gets its share of the penalty, l2/n per example."""
    examples = split(table, model, seed)
    loss = getattr(problems, model)(l2 / len(examples.X))
    task = Task(table.name, model, examples, l2, hidden, loss)
    if not np.isfinite(task.objective(task.start())):
        raise BadInput(f"{table.name} must have a target that --model {model} can start from, got too large numbers")
    return task


def as_argument(params):
    """As ``fit`` hands it to a loss."""
    return params if isinstance(params, np.ndarray) else record(params)(*params.values())


def squares(y, mean):
    return np.sum((y - mean) ** 2)


def poisson_deviance(y, mean):
    return 2 * np.sum(xlogy(y, y / mean) - y + mean)
