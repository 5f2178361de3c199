"""What ``fastopt compare`` is made of: data, models, SciPy's optimum, learning rates, the table."""

import sys
from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from sklearn import metrics

import fastopt
from fastopt.cli.compare import data, picture, report
from fastopt.cli.compare.devices import Host
from fastopt.cli.compare.outcome import Outcome
from fastopt.cli.compare.run import Run, settings_for, train
from fastopt.cli.compare.task import Task, make_task
from fastopt.train.epochs import Training


def table(y, labels=None):
    X = np.random.default_rng(5).normal(size=(len(y), 3))
    return data.Table("a table", X, np.asarray(y, float), labels)


def quiet(epoch, loss):
    """Shows no progress."""


def test_optimum_on_all_digits():
    digits = data.load("digits")
    X = np.column_stack([digits.X, np.ones(len(digits.X))])
    loss = fastopt.problems.softmax(1 / len(X))
    task = Task("digits", "softmax", data.Examples(X, digits.y, X[:9], digits.y[:9], 10), 1.0, 0, loss)
    assert task.optimum.loss == pytest.approx(362.135, abs=1e-3)
    assert task.optimum.refusal is None


def test_every_rule_nears_the_optimum_of_the_default_problem(monkeypatch):
    """Epochs in Python, which test_fit_compiled.py finds equal to the bit, for compiled ones cost a second a rule."""
    monkeypatch.setattr(sys.modules["fastopt.train.fit"], "training_of", lambda *_: Training)
    task = make_task(data.load("digits"), "softmax", 1.0, 0, 0)
    settings = settings_for(task, None, 64, 0, None)
    assert (settings.epochs, settings.per_epoch) == (60, 23)
    runs = [train(task, rule, Host(task, "serial"), settings, quiet) for rule in fastopt.RULES]
    outcome = Outcome(task, settings, runs)
    far = {run.rule.name: outcome.gap(run) for run in runs if outcome.is_far(run)}
    assert len(far) <= 2, far
    assert min(run.score for run in runs) > 0.95


@pytest.mark.parametrize(
    ("y", "labels", "model"),
    [
        ([0, 1] * 10, None, "logistic"),
        ([2, 5] * 10, None, "logistic"),
        ([1, 2, 3] * 10, None, "softmax"),
        (range(40), None, "linear"),
        ([0.5, 1, 2] * 10, None, "linear"),
        ([1, 2, 3] * 10, False, "linear"),
    ],
)
def test_default_model(y, labels, model):
    assert data.default_model(table(y, labels)) == model


def test_split_is_a_function_of_the_seed_and_leaks_nothing():
    whole = table(np.random.default_rng(6).normal(size=50))
    first, again, other = (data.split(whole, "linear", seed) for seed in (1, 1, 2))
    assert np.array_equal(first.X, again.X)
    assert not np.array_equal(first.X, other.X)
    assert (first.X.shape, first.X_held.shape) == ((40, 4), (10, 4))
    assert np.allclose(first.X[:, :3].mean(axis=0), 0)
    assert np.allclose(first.X[:, :3].std(axis=0), 1)
    assert np.allclose([first.y.mean(), first.y.std()], [0, 1])
    assert not np.allclose(first.X_held[:, :3].mean(axis=0), 0, atol=1e-3)
    assert np.array_equal(first.X[:, 3], np.ones(40))


def test_a_constant_column_becomes_zeros():
    whole = table([0.5, 1, 2] * 10)
    whole.X[:, 1] = 3.7
    assert np.allclose(data.split(whole, "linear", 0).X[:, 1], 0, atol=1e-14)


@pytest.mark.parametrize(
    ("model", "labels"), [("linear", False), ("poisson", None), ("logistic", None), ("softmax", None)]
)
def test_scores_are_those_of_scikit_learn(model, labels):
    y = {"linear": np.arange(60) / 7, "poisson": np.arange(60) // 3}.get(model, np.arange(60) % 2)
    task = make_task(table(y, labels), model, 1.0, 0, 0)
    params = np.random.default_rng(8).normal(size=task.start().shape) / 4
    predictor, truth = task.examples.X_held @ params, task.examples.y_held
    expected = {
        "linear": lambda: metrics.r2_score(truth, predictor),
        "poisson": lambda: metrics.d2_tweedie_score(truth, np.exp(predictor), power=1),
        "logistic": lambda: metrics.accuracy_score(truth, predictor > 0),
        "softmax": lambda: metrics.accuracy_score(truth, predictor.argmax(axis=1)),
    }[model]()
    assert task.score(params) == pytest.approx(expected)


def test_a_rule_without_a_committed_rate_starts_with_its_own():
    from fastopt.cli.compare.rates import rate

    adam = next(rule for rule in fastopt.RULES if rule.name == "adam")
    mine = fastopt.Rule(
        name="mine",
        update=adam.update,
        coefficients=adam.coefficients,
        state=adam.state,
        hyper={**adam.hyper, "lr": 0.25},
    )
    assert rate(mine, make_task(table([0, 1] * 10), "logistic", 1.0, 0, 0)) == 0.25


def of_every_rule():
    task = make_task(data.load("digits"), "softmax", 1.0, 0, 0)
    settings = settings_for(task, None, 64, 0, None)
    runs = [
        Run(rule, "parallel", 0.1, [0, 1], [0.0, 0.5], [3311.0, 319.98711], 0.95, 12345.67, 2.5)
        for rule in fastopt.RULES
    ]
    return Outcome(task, settings, runs)


def test_the_picture_tells_all_rules_apart(monkeypatch):
    drawn = []
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, path: drawn.append(figure))
    picture.draw(of_every_rule(), "out.png")
    (figure,) = drawn
    figure.canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, "there is room for its lines"
    texts = [text for axes in figure.axes for text in axes.get_children() if getattr(text, "get_text", str)()]
    assert max(text.get_window_extent().x1 for text in texts) <= box.x0, "no heading runs into it"
    kinds = {(line.get_color(), str(line._dash_pattern)) for line in legend.get_lines()}
    assert len(legend.get_texts()) == len(kinds) == len(fastopt.RULES)


@pytest.mark.parametrize("width", [40, 60, 80, 200])  # the names take 29 of them
def test_the_table_fits_any_terminal(width):
    outcome = of_every_rule()
    runs, out = outcome.runs, StringIO()
    report.show(outcome, Console(file=out, width=width, force_terminal=True, color_system=None))
    assert max(map(len, out.getvalue().splitlines())) <= width
    assert "…" not in out.getvalue()
    for cell in ("319.9871", "0.103", "95.00", "12345.7", "2.5"):
        assert out.getvalue().split().count(cell) == len(runs)
