"""Adam (Kingma and Ba 2015): m = beta1*m + (1-beta1)*g; v = beta2*v + (1-beta2)*g**2;
theta <- theta - lr * mhat / (sqrt(vhat) + eps), mhat = m/(1-beta1**t), vhat = v/(1-beta2**t).

Variant: the paper's and PyTorch's: eps is added after the correction. ``bias_correction=False`` is the textbook form
theta <- theta - lr * m / (sqrt(v) + eps). ``amsgrad=True`` picks the AMSGrad rule.
Agrees: PyTorch, optax, Apex, DeepSpeed, bitsandbytes, JAX's examples. Differs: Keras, scikit-learn, ensmallen and
thinc add eps before the correction ("epsilon hat"), which matters while gradients are tiny.
"""

from math import sqrt

from .amsgrad import RULE as AMSGRAD
from .moments import HYPER, coefficients, moments
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
    hyper=HYPER | {"bias_correction": True},
    variants={("amsgrad",): AMSGRAD},
    equation="m = β₁m+(1−β₁)g; v = β₂v+(1−β₂)g²; θ ← θ − lr·m̂/(√v̂ + eps)",
    doc=__doc__,
)
