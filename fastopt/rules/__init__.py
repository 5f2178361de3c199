"""The rules: one file per algorithm, and your own.

Every rule is an equation, the coefficients of a step, and a scalar update; each kernel, constructor and table of
fastopt is made from these. ``help(fastopt.Adam)`` explains a rule's arguments, and says which libraries
agree and which differ.

>>> import fastopt
>>> [rule.label for rule in fastopt.RULES][:4]
['GD', 'SGD', 'Momentum', 'Nesterov']

## Which rule when

- **Not sure: Adam**, with an lr that falls along a cosine. It forgives gradients of very different scale, and lr means
  the same in any problem: about the longest step, in the parameter's own unit.
- **A network that should generalise: AdamW**, whose decay acts alike on all weights; **Lion** with a state array less.
- **A smooth, convex problem of one scale: Nesterov or Momentum**, cheapest and fastest once lr fits (for Nesterov about
  one over the largest curvature).
- **Sparse features, convex: Adagrad**, with a large lr and no schedule; **FTRL**, if most weights are to be exactly 0.
- **No idea of the parameters' scale: Adadelta**, whose lr has no unit. 1 is the paper's; more is often faster.
- **Training that breaks down in its first steps: RAdam**, which needs no warm-up, or a warm-up of lr.
- **A full gradient of a smooth function: MemorylessBFGS**, of which nothing is tuned, and which is far ahead of all
  others there; **Rprop**, where the function has kinks, or bounds.
- **No idea how long to train: ScheduleFreeSGD, ScheduleFreeAdamW**: no lr has to fall. Evaluate ``opt.averaged``.
- **Very long training: AdEMAMix**, whose second average remembers some 10 000 steps.
- **Noise that never ends, drifting targets: RMSprop**, which forgets soonest.
- **Gradients with rare, huge outliers: Adam with clip_norm**, Adamax, AMSGrad, or StableAdamW, which needs no limit.
- **No time to tune lr: Prodigy**, or DAdaptAdam, in the place of Adam; DoG in that of SGD. Leave their lr at 1, or let
  it fall from there.
- **Batches so large that one lr does not suit all layers: LAMB**, in the place of AdamW; LARS or NovoGrad, in that of
  Momentum.
- **A textbook: GD on all data, SGD on samples, Adagrad(eps=0), Adam(bias_correction=False).**

LAMB and those after it look at a whole array before they change it, or at all together (Prodigy, DAdaptAdam, DoG,
MemorylessBFGS): a NaN in a gradient then makes all of that NaN, where with the others it stays in its place.

## Dialects

One name means different rules in different frameworks: where eps is added, what an average starts from, whether lr is
inside a velocity, and what the defaults are. Formulas and defaults here are PyTorch's. Every disagreement is a keyword
of the rule (``eps_in_sqrt``, ``eps_before_correction``, ``eps_in_max``, ``max_corrected``, ``lr_in_velocity``,
``initial_accumulator_value``, ``momentum_decay``, ``decoupled``), and ``preset="torch"``, ``"optax"``, ``"keras"`` or
``"sklearn"`` sets those of a framework and its defaults; what is given beside it wins.

>>> import numpy as np
>>> opt = fastopt.Adagrad(np.ones(2), lr=0.01, preset="keras")
>>> opt.eps, opt.eps_in_sqrt
(1e-07, True)

## Your own rule

Two small functions of plain Python. ``coefficients`` computes what depends on the step alone, in float64; ``update`` is
the arithmetic of one element. `fastopt.Rule` names their numbers and state, and the rule works wherever a name does.

>>> def coefficients(t, lr, beta):
...     return lr, beta, 1.0 - beta, 0.0
>>> def update(p, g, m, lr, beta, rest, zero):  # no literals, so float32 stays float32
...     m = beta * m + rest * g
...     return p - (lr if m > zero else -lr if m < zero else m), m
>>> signum = fastopt.Rule(name="signum", update=update, coefficients=coefficients, state=("m",),
...                       hyper={"lr": 1e-3, "beta": 0.9})
>>> x = np.array([1.0, -1.0])
>>> fastopt.Optimizer(x, signum, lr=0.25).step(np.array([3.0, -5.0]))
>>> x
array([ 0.75, -0.75])

A rule that looks at a whole array first declares what is summed over its elements (``reduces``), and what becomes of
the sums (``combine``), which ``update`` gets behind its coefficients. Of this one each step has a length of lr:

>>> from math import sqrt
>>> def square(p, g, lr):
...     return g * g
>>> def combine(c, sums, kept):  # in float64, as sums are
...     return (1.0 / sqrt(sums[0]) if sums[0] > 0.0 else 0.0,), kept
>>> def update(p, g, lr, factor):
...     return (p - lr * factor * g,)
>>> normed = fastopt.Rule(name="normed", update=update, coefficients=lambda t, lr: (lr,), hyper={"lr": 0.1},
...                       reduces={"square": square}, combine=combine)
>>> x = np.array([1.0, -1.0])
>>> fastopt.Optimizer(x, normed, lr=1.0).step(np.array([3.0, -4.0]))
>>> x.round(2)
array([ 0.4, -0.2])

Such a rule is cached, runs on a GPU, and has its place in ``fastopt.minimize(fun, x0, method=normed)``, `fastopt.fit`
and ``fastopt compare --rule module:normed`` as ours have. For float32 arrays, a number written in ``update`` is refused
with its line, as all would be computed in float64 with it; in ``reduces`` and ``combine``, which are in float64, it is
not.
"""

import copyreg
import sys
from importlib import import_module

from .averages import MADE, averaged
from .rule import Rule

RULES: tuple[Rule, ...] = tuple(
    import_module(f"{__name__}.{name}").RULE
    for name in (
        "gd",
        "sgd",
        "momentum",
        "nesterov",
        "adagrad",
        "adadelta",
        "rmsprop",
        "adam",
        "adamw",
        "amsgrad",
        "adamax",
        "nadam",
        "radam",
        "lion",
        "rprop",
        "rprop_minus",
        "asgd",
        "adabelief",
        "yogi",
        "ademamix",
        "adopt",
        "laprop",
        "adan",
        "qhm",
        "qhadam",
        "madgrad",
        "ftrl",
        "signsgd",
        "signum",
        "schedule_free_sgd",
        "schedule_free_adamw",
        "lamb",
        "lars",
        "novograd",
        "stableadamw",
        "prodigy",
        "dadapt_adam",
        "dog",
        "memoryless_bfgs",
    )
)

# Every rule that has a kernel of its own: those above, and the variants that constructors pick by option.
ALL_RULES: tuple[Rule, ...] = tuple(dict.fromkeys(one for rule in RULES for one in (rule, *rule.variants.values())))

__all__ = ["ALL_RULES", "RULES", "Rule"]

_BY_NAME: dict[str, Rule] = {one.name: one for one in ALL_RULES}


def _built_in(name):
    return _BY_NAME[name]


def _global_of(module, name):
    return getattr(import_module(module), name)


def _reduced(rule):
    """A rule is made of functions, so it is pickled by name: here, or in the module that its update is of."""
    if rule in ALL_RULES:
        return _built_in, (rule.name,)
    if rule in MADE:
        return averaged, MADE[rule]
    for module in (rule.update.__module__, rule.coefficients.__module__, "__main__"):
        names = vars(sys.modules[module]) if module in sys.modules else {}
        found = next((name for name, value in names.items() if value is rule), None)
        if found is not None:
            return _global_of, (module, found)
    raise TypeError(f"rule {rule.name!r} must be a global of the module of its update to be pickled, got none there")


copyreg.pickle(Rule, _reduced)
