"""AdEMAMix (Pagliardini, Ablin and Grangier 2024): Adam with a second, far slower average of the gradient added.

Variant: the paper's: the slow average is not corrected, so that it comes in gradually; α and β₃ may do so besides.
``decoupled=True``: θ ← θ − lr·λθ first, as in AdamW.
Agrees: the authors' code and optax, which always decouple the decay (optax takes schedules for the two warm-ups).
Differs: the authors' code adds 1e-8 to the betas whose logarithms the warm-up of β₃ takes; it and others take
``betas=(β₁, β₂, β₃)``; optax's α is 5 by default.

Parameters
----------
lr
    As in Adam; the longest step is up to 1 + α times as long.
beta3
    β₃, how much of the slow average is kept each step: it looks back over about 1/(1−β₃) steps. The default is made
    for runs of 100 000 steps; short ones want 0.999.
alpha
    α, the weight of the slow average beside m. 0 is Adam.
beta3_warmup
    The steps over which β₃ rises from β₁, its half-life evenly. 0: none. The paper takes the length of the run.
alpha_warmup
    The steps over which α rises from 0, evenly. 0: none.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([2.0, -1.0])
>>> opt = fastopt.AdEMAMix(x, lr=fastopt.schedules.cosine(0.05, 200), beta3=0.95, alpha_warmup=200, beta3_warmup=200)
>>> for _ in range(200):
...     opt.step(2 * x)
>>> bool(abs(x).max() < 0.01)
True
"""

from math import exp, log, sqrt

from .decay import decayable
from .moments import HYPER, RANGES, bias, moments
from .rule import Rule


def risen(t, start, end, warmup):
    """A beta on its way from one to another: that whose 1/log β lies evenly between theirs."""
    if t >= warmup:
        return end
    slope = (1.0 - t / warmup) / log(start) if start > 0.0 else 0.0
    slope += t / warmup / log(end) if end > 0.0 else 0.0
    return exp(1.0 / slope) if slope < 0.0 else 0.0


def coefficients(t, lr, beta1, beta2, beta3, alpha, beta3_warmup, alpha_warmup, eps):
    root, gathered, beta3 = sqrt(bias(beta2, t)), bias(beta1, t), risen(t, beta1, beta3, beta3_warmup)
    alpha *= gathered if t >= alpha_warmup else gathered * t / alpha_warmup
    lr, eps = lr * root / gathered, eps * root
    return beta1, 1.0 - beta1, beta2, 1.0 - beta2, beta3, 1.0 - beta3, alpha, lr, eps


def update(p, g, m, slow, v, beta1, rest1, beta2, rest2, beta3, rest3, alpha, lr, eps):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    slow = beta3 * slow + rest3 * g
    return p - lr * (m + alpha * slow) / (sqrt(v) + eps), m, slow, v


OWN = {"beta3": 0.9999, "alpha": 2.0, "beta3_warmup": 0.0, "alpha_warmup": 0.0}
HYPER = {**{name: HYPER[name] for name in ("lr", "beta1", "beta2")}, **OWN, "eps": HYPER["eps"]}
RANGES = RANGES | dict.fromkeys(OWN, "[0, inf)") | {"beta3": "[0, 1)"}

RULE = Rule(
    name="ademamix",
    label="AdEMAMix",
    update=update,
    coefficients=coefficients,
    state=("m", "slow", "v"),
    hyper=HYPER,
    ranges=RANGES,
    equation="s = β₃s+(1−β₃)g; θ ← θ − lr·(m̂ + α·s)/(√v̂ + eps), m and v as Adam's",
    doc=__doc__,
)
RULE = decayable(RULE)
