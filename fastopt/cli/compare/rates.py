"""The learning rates that rules are compared with, tuned on the bundled data sets."""

from functools import cache

import numpy as np

from ...rules import RULES
from .task import Task

# A step of these rules is as long as the gradient, so a rate that suits one data set is off in another by the ratio of
# their curvatures. They are therefore in units of 1/curvature, see below. All rates are for mean gradients.
BY_GRADIENT = {
    "gd": 1.0,
    "sgd": 1.0,
    "momentum": 0.1,
    "nesterov": 0.1,
    "qhm": 3.0,
    "asgd": 1.0,
    "schedule_free_sgd": 3.0,
}

# What takes all examples at once: for the one it is its name, the others count signs or search along lines, which noise
# changes.
ON_ALL = ("gd", "rprop", "rprop_minus", "memoryless_bfgs")

# How the curvature of a loss compares with λ, the largest eigenvalue of the mean of x·xᵀ. For the linear model it is
# λ itself, twice that keeps minibatches stable; for Poisson times the mean count. For classes it is p(1−p)·λ with the
# predicted p: at most ¼λ, and near the optimum, where most p are close to 0 or 1, far less.
CURVATURE = {"linear": 2.0, "poisson": 2.0, "logistic": 1 / 32, "softmax": 1 / 32, "mlp": 1 / 8}

# Steps of these do not depend on the scale of the gradient.
CLASSES = {
    "adagrad": 3.0,
    "adadelta": 50.0,
    "rmsprop": 0.05,
    "adam": 0.1,
    "adamw": 0.1,
    "amsgrad": 0.1,
    "adamax": 0.5,
    "nadam": 0.1,
    "radam": 0.2,
    "lion": 0.01,
    "adabelief": 0.1,
    "yogi": 0.1,
    "ademamix": 0.1,
    "adopt": 0.3,
    "laprop": 0.1,
    "adan": 0.1,
    "qhadam": 0.05,
    "madgrad": 0.3,
    "ftrl": 1.0,
    "signsgd": 0.01,
    "signum": 0.01,
    "schedule_free_adamw": 0.1,
    "lamb": 0.03,
    "lars": 10.0,
    "novograd": 0.03,
    "stableadamw": 0.05,
}
POISSON = {  # a step too long makes exp(x·w) overflow
    "adagrad": 0.3,
    "adadelta": 10.0,
    "rmsprop": 0.03,
    "adam": 0.05,
    "adamw": 0.05,
    "amsgrad": 0.05,
    "adamax": 0.1,
    "nadam": 0.05,
    "radam": 0.05,
    "lion": 0.003,
    "adabelief": 0.05,
    "yogi": 0.05,
    "ademamix": 0.05,
    "adopt": 0.2,
    "laprop": 0.05,
    "adan": 0.1,
    "qhadam": 0.05,
    "madgrad": 0.01,
    "ftrl": 0.3,
    "signsgd": 0.003,
    "signum": 0.003,
    "schedule_free_adamw": 0.1,
    "lamb": 0.003,
    "lars": 3.0,
    "novograd": 0.01,
    "stableadamw": 0.05,
}
MLP = {
    "adagrad": 0.1,
    "adadelta": 10.0,
    "rmsprop": 0.01,
    "adam": 0.03,
    "adamw": 0.03,
    "amsgrad": 0.03,
    "adamax": 0.1,
    "nadam": 0.03,
    "radam": 0.05,
    "lion": 0.003,
    "adabelief": 0.03,
    "yogi": 0.05,
    "ademamix": 0.03,
    "adopt": 0.03,
    "laprop": 0.03,
    "adan": 0.03,
    "qhadam": 0.05,
    "madgrad": 0.1,
    "ftrl": 0.1,
    "signsgd": 0.01,
    "signum": 0.01,
    "schedule_free_adamw": 0.03,
    "lamb": 0.01,
    "lars": 10.0,
    "novograd": 0.03,
    "stableadamw": 0.03,
}
WIDE = 64  # hidden units that these are for; with more of them the scores move farther in a step
FREE = {"linear": CLASSES, "poisson": POISSON, "logistic": CLASSES, "softmax": CLASSES, "mlp": MLP}


def rate(rule, task: Task) -> float:
    """The rate that a rule starts with, in two digits; a rule without a committed one gets its constructor's, and a
    user's its own."""
    if rule not in RULES or rule.rate_free:
        return rule.hyper["lr"]
    if rule.name in BY_GRADIENT:
        value = BY_GRADIENT[rule.name] / curvature(task)
    else:
        value = FREE[task.model].get(rule.name, rule.hyper.get("lr", 1e-3))
    if task.model == "mlp":
        value *= min(1.0, (WIDE / task.hidden) ** 0.5)
    if rule.name == "radam" and task.model == "poisson":
        value = min(value, 3 / curvature(task))  # its first five steps are as long as the gradient
    return float(f"{value:.2g}")


@cache
def curvature(task: Task) -> float:
    """That of the mean loss, about: what a step along the gradient must be short against."""
    X, y = task.examples.X, task.examples.y
    largest = float(np.linalg.eigvalsh(X.T @ X / len(X))[-1])
    mean_count = float(y.mean()) if task.model == "poisson" else 1.0
    return CURVATURE[task.model] * largest * mean_count + task.l2 / len(X)
