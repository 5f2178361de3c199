"""RMSprop (Hinton, lecture 6e, 2012): the gradient over the root of the running average of its square.

``centered`` divides by the standard deviation of the gradient instead (Graves 2013): a = αa+(1−α)g,
d = √max(v−a², 0) + eps. ``momentum`` sums the scaled gradients: b = μb + g/d; θ ← θ − lr·b.
Variant: PyTorch's: eps outside the root, lr outside b; with ``eps_in_sqrt=True`` eps is inside, d = √(v + eps).
``decoupled=True`` is θ ← θ − lr·λθ first, as in AdamW and timm's RMSpropTF.
Agrees: PyTorch, ensmallen, bitsandbytes. Differs: optax, Keras and JAX's examples put eps inside the root, use alpha
0.9 (eps 1e-7 in Keras), and keep lr inside b, b = μb + lr·g/d; θ ← θ − b, which is the same at constant lr:
``preset="optax"`` and ``preset="keras"`` set these.
In float32 v is infinite after one |g| > 1.8e20, or many > 1.8e19: the parameter then stands still, as in PyTorch.

Parameters
----------
lr
    Step size in the parameter's own unit: gradients of their usual size step by lr. v starts at 0 and is not corrected,
    so the first step is 1/√(1−α) times as long, 10 times by default.
alpha
    α, how much of the average v is kept each step: it looks back over about 1/(1−α) steps, 100 by default. 0.9 follows
    gradients that change quickly.
eps_in_sqrt
    Whether to add eps to v, under the root, instead of to the root; then in the unit of g².
centered
    Whether to subtract the squared mean a². Steps get longer where gradients agree; one more state array.
momentum
    μ, how much of b is kept each step; any value but 0 switches it on, with one more state array. Steps grow to 1/(1−μ)
    of their length.
lr_in_velocity
    Whether lr goes into b, so that each gradient keeps the lr of its own step when lr changes, instead of multiplying
    b; needs ``momentum``.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([1.0, 1.0])
>>> opt = fastopt.RMSprop(x, lr=fastopt.schedules.cosine(0.02, 300))
>>> for _ in range(300):
...     opt.step(np.array([1e-3, 1e3]) * x)  # both parameters take steps of one size
>>> bool(abs(x).max() < 0.01)
True
"""

from collections.abc import Callable

from . import rmsprop_updates as updates
from .decay import decayable
from .rule import Rule

STATE = {"centered": "a", "momentum": "b"}  # beside v
UPDATES: dict[tuple, Callable] = {
    (): updates.update,
    ("centered",): updates.centered,
    ("momentum",): updates.heavy,
    ("centered", "momentum"): updates.centered_heavy,
}
HYPER = {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8}
RANGES = {"lr": "[0, inf)", "alpha": "[0, 1)", "eps": "[0, inf)"}


def variant(options, **more):
    momentum = {"momentum": 0.9} if "momentum" in options else {}
    velocity = {"lr_in_velocity": False} if momentum else {}
    return Rule(
        name="_".join(("rmsprop", *options)),
        label="RMSprop",
        update=UPDATES[options],
        coefficients=updates.with_momentum if momentum else updates.coefficients,
        state=("v", *(STATE[one] for one in options)),
        hyper=HYPER | momentum | {"eps_in_sqrt": False} | velocity,
        ranges=RANGES | dict.fromkeys(momentum, "[0, inf)"),
        doc=__doc__,
        **more,
    )


RULE = variant(
    (),
    variants={options: variant(options) for options in UPDATES if options},
    equation="v = αv+(1−α)g²; d = √v + eps; θ ← θ − lr·g/d",
)
RULE = decayable(RULE, before="lr_in_velocity")
