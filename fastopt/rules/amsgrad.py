"""AMSGrad (Reddi, Kale and Kumar 2018): Adam with the largest v so far in the denominator, so steps never grow again.

Variant: PyTorch's: the maximum of the raw v, corrected afterwards. ``bias_correction=False`` is the paper.
``decoupled=True`` is ``AdamW(amsgrad=True)``, without its default decay.
Agrees: PyTorch. Differs: Keras and ensmallen take the same maximum but add eps before the correction, as in their
Adam (``preset="keras"``); optax takes the maximum of the corrected v (``preset="optax"``, ``max_corrected=True``),
which the large corrections of the first steps enter for good.
In float32 v is infinite after one |g| > 5.8e20, or many > 1.8e19: the parameter then stands still, as in PyTorch.

Parameters
----------
lr
    About the longest step that a parameter takes, in its own unit. After one large gradient the steps of that parameter
    stay short: where Adam works, AMSGrad wants the same lr or a little more.
max_corrected
    Whether vmax is the largest v̂ so far, each with the correction of its own step, instead of the largest v, corrected
    afterwards. Without ``bias_correction`` there is no difference.

Examples
--------
>>> import numpy as np, fastopt
>>> steps = {}
>>> for make in (fastopt.Adam, fastopt.AMSGrad):
...     x = np.zeros(1)
...     opt = make(x, lr=0.1, betas=(0.0, 0.5))
...     for g in (100.0, *[1.0] * 20):
...         before = x[0]
...         opt.step(np.array([g]))
...     steps[make.__name__] = round(float(before - x[0]), 4)
>>> steps  # long after one large gradient
{'Adam': 0.0998, 'AMSGrad': 0.0014}
"""

from math import sqrt

from .adamw import AMSGRAD as DECOUPLED
from .moments import CORRECTION, HYPER, RANGES, largest, moments
from .rule import Rule


def update(p, g, m, v, vmax, beta1, rest1, beta2, rest2, lr, eps, grow):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    grown = grow * v
    vmax = vmax if vmax > grown else grown
    return p - lr * m / (sqrt(vmax) + eps), m, v, vmax


RULE = Rule(
    name="amsgrad",
    label="AMSGrad",
    update=update,
    coefficients=largest,
    state=("m", "v", "vmax"),
    hyper=HYPER | CORRECTION | {"max_corrected": False},
    ranges=RANGES,
    variants={("decoupled",): DECOUPLED},
    equation="Adam, with v̂ = vmax/(1−β₂ᵗ), vmax = max(vmax, v)",
    doc=__doc__,
)
