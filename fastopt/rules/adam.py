"""Adam (Kingma and Ba 2015): the running average of the gradient, over the root of that of its square.

Variant: the paper's and PyTorch's: eps is added after the correction. ``bias_correction=False`` is the textbook form
θ ← θ − lr·m/(√v + eps). ``amsgrad=True`` picks the rule AMSGrad, ``decoupled=True`` AdamW (without its default decay).
Agrees: PyTorch, optax, Apex, DeepSpeed, bitsandbytes, JAX's examples. Differs: Keras, scikit-learn, ensmallen and
thinc add eps before the correction ("epsilon hat"), which matters while gradients are tiny: ``preset="keras"`` and
``preset="sklearn"``, which set ``eps_before_correction=True``.
In float32 v is infinite after one |g| > 5.8e20, or many > 1.8e19: the parameter then stands still, as in PyTorch.

Parameters
----------
lr
    About the longest step that a parameter takes, in its own unit, whatever the scale of the gradient. 1e-3 suits
    networks; 0.01 to 0.1 small problems whose parameters are of size 1. Steps hardly shrink by themselves: let lr fall
    (``schedules.cosine``) to settle.
amsgrad
    Whether to divide by the largest v so far, as AMSGrad does; one more state array.

Examples
--------
>>> import numpy as np, fastopt
>>> params = {"W": np.ones((2, 2)), "b": np.zeros(2)}
>>> opt = fastopt.Adam(params, lr=0.1)
>>> opt.step({"W": np.full((2, 2), 1e-3), "b": np.array([-5.0, 5.0])})
>>> params["W"][0].round(3), params["b"].round(3)  # the first step has the length lr everywhere
(array([0.9, 0.9]), array([ 0.1, -0.1]))
"""

from math import sqrt

from .adamw import AMSGRAD as ADAMW_AMSGRAD
from .adamw import RULE as ADAMW
from .amsgrad import RULE as AMSGRAD
from .moments import CORRECTION, HYPER, RANGES, coefficients, moments
from .rule import Rule


def update(p, g, m, v, beta1, rest1, beta2, rest2, lr, eps):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    return p - lr * m / (sqrt(v) + eps), m, v


RULE = Rule(
    name="adam",
    label="Adam",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    hyper=HYPER | CORRECTION,
    ranges=RANGES,
    variants={("amsgrad",): AMSGRAD, ("decoupled",): ADAMW, ("amsgrad", "decoupled"): ADAMW_AMSGRAD},
    equation="m = β₁m+(1−β₁)g; v = β₂v+(1−β₂)g²; m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ); θ ← θ − lr·m̂/(√v̂ + eps)",
    doc=__doc__,
)
