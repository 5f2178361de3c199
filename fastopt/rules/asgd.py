"""ASGD (Polyak and Juditsky 1992): SGD, and beside it the average of all parameters since step t0.

The average ``opt.state["ax"]`` is what is wanted in the end: its noise falls with the steps, where that of θ stays.
Variant: PyTorch's, with Bottou's rates ηₜ = lr/(1 + λ·lr·(t−1))^α and decay. Until t0 the average is θ itself.
Agrees: PyTorch, while lr is constant; its ηₜ follow a schedule one step late, as those of `fastopt.torch` do.

Parameters
----------
lr
    η₁, the first step in GD's unit; later ones fall by themselves, as λ and α say.
lambd
    λ, how soon steps become shorter, and the decay of θ: each step shrinks it by the factor 1 − λ·ηₜ.
alpha
    α, the power with which steps fall. From ½ to 1 averaging is as good as any rule can be in the long run; 0 keeps
    them as they are.
t0
    After how many steps averaging begins. The default of a million hardly ever does: give your own.

Examples
--------
>>> import numpy as np, fastopt
>>> rng, x = np.random.default_rng(0), np.array([1.0])
>>> opt = fastopt.ASGD(x, lr=0.1, t0=100)
>>> for _ in range(2000):
...     opt.step(x + rng.normal(size=1))  # noise as large as the gradient
>>> bool(abs(opt.state["ax"][0]) < 0.05)
True
"""

from .rule import Rule


def coefficients(t, lr, lambd, alpha, t0):
    since = t - 1 - t0
    return scales(lr / (1.0 + lambd * lr * (t - 1)) ** alpha, 1.0 / since if since > 1.0 else 1.0, lambd)


def scales(eta, mu, lambd):
    return 1.0 - lambd * eta, eta, mu, 0.0 if mu == 1.0 else 1.0


def update(p, g, ax, keep, eta, mu, begun):
    p, ax = keep * p - eta * g, begun * ax  # 0 until the average begins, so that it is p to the bit
    return p, ax + mu * (p - ax)


RULE = Rule(
    name="asgd",
    label="ASGD",
    update=update,
    coefficients=coefficients,
    state=("ax",),
    hyper={"lr": 1e-2, "lambd": 1e-4, "alpha": 0.75, "t0": 1e6},
    ranges={"lr": "[0, inf)", "lambd": "[0, inf)", "alpha": "[0, inf)", "t0": "[0, inf)"},
    equation="ηₜ = lr/(1 + λ·lr·(t−1))^α; θ ← (1 − ληₜ)θ − ηₜg; ax ← ax + (θ − ax)/max(1, t−1−t0)",
    doc=__doc__,
)
