"""AMSGrad (Reddi, Kale and Kumar 2018): Adam with the largest v so far in the denominator.

m = beta1*m + (1-beta1)*g; v = beta2*v + (1-beta2)*g**2; vmax = max(vmax, v);
theta <- theta - lr * mhat / (sqrt(vmax/(1-beta2**t)) + eps).
Variant: PyTorch's: the maximum of the raw v, corrected afterwards. ``bias_correction=False`` is the paper.
Agrees: PyTorch, Keras, ensmallen. Differs: optax takes the maximum of the corrected v.
"""

from math import sqrt

from .moments import HYPER, coefficients, moments
from .rule import Rule


def update(p, g, m, v, vmax, beta1, rest1, beta2, rest2, lr, eps):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    vmax = vmax if vmax > v else v
    return p - lr * m / (sqrt(vmax) + eps), m, v, vmax


RULE = Rule(
    name="amsgrad",
    label="AMSGrad",
    update=update,
    coefficients=coefficients,
    state=("m", "v", "vmax"),
    hyper=HYPER | {"bias_correction": True},
    equation="Adam with v̂ = max of all v so far, then corrected",
    doc=__doc__,
)
