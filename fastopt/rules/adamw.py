"""AdamW (Loshchilov and Hutter 2019): Adam, with a weight decay that the gradient's scale does not touch.

Variant: PyTorch's: the decay is multiplied by lr and comes before the step.
Agrees: PyTorch, DeepSpeed (and optax and Apex, whose form is the same algebra). Differs: Keras adds eps before the
correction, as its Adam does; thinc and bitsandbytes on a GPU decay after the step; optax's default weight_decay is
1e-4, Keras's 4e-3: ``preset="keras"`` and ``preset="optax"`` set these.
In float32 v is infinite after one |g| > 5.8e20, or many > 1.8e19: the parameter then stands still, as in PyTorch.

Parameters
----------
lr
    About the longest step that a parameter takes, in its own unit, as in Adam. The decay is multiplied by it too:
    halving lr halves both.
weight_decay
    λ: each step shrinks the parameter by the factor 1 − lr·λ, whatever its gradient is, so it loses half of itself in
    0.7/(lr·λ) steps. No penalty on the loss: a parameter with large gradients is held as strongly as any.
amsgrad
    Whether to divide by the largest v so far, as AMSGrad does; one more state array.

Examples
--------
>>> import numpy as np, fastopt
>>> w = np.array([1.0, 1.0])
>>> opt = fastopt.AdamW(w, lr=0.1, weight_decay=0.5)
>>> opt.step(np.array([0.0, 3.0]))
>>> w.round(3)  # decay alone; decay and a step of length lr
array([0.95, 0.85])
"""

from math import sqrt

from .moments import CORRECTION, HYPER, RANGES, largest, moments
from .moments import coefficients as scales
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps, weight_decay, bias_correction, eps_before_correction):
    return (1.0 - lr * weight_decay, *scales(t, lr, beta1, beta2, eps, bias_correction, eps_before_correction))


def update(p, g, m, v, keep, beta1, rest1, beta2, rest2, lr, eps):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    return keep * p - lr * m / (sqrt(v) + eps), m, v


def largest_coefficients(t, lr, beta1, beta2, eps, decay, bias_correction, eps_before_correction, max_corrected):
    return (1.0 - lr * decay, *largest(t, lr, beta1, beta2, eps, bias_correction, eps_before_correction, max_corrected))


def by_largest(p, g, m, v, vmax, keep, beta1, rest1, beta2, rest2, lr, eps, grow):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    grown = grow * v
    vmax = vmax if vmax > grown else grown
    return keep * p - lr * m / (sqrt(vmax) + eps), m, v, vmax


NUMBERS: dict = HYPER | {"weight_decay": 1e-2} | CORRECTION
SHARED: dict = {"label": "AdamW", "ranges": RANGES | {"weight_decay": "[0, inf)"}, "doc": __doc__}
AMSGRAD = Rule(
    name="adamw_amsgrad",
    update=by_largest,
    coefficients=largest_coefficients,
    state=("m", "v", "vmax"),
    hyper=NUMBERS | {"max_corrected": False},
    **SHARED,
)

RULE = Rule(
    name="adamw",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    hyper=NUMBERS,
    variants={("amsgrad",): AMSGRAD},
    equation="θ ← θ − lr·λθ; then Adam",
    **SHARED,
)
