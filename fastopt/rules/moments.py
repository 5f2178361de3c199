"""What the Adam family shares: two running averages, their correction, and the defaults."""

import math

HYPER = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
CORRECTION = {"bias_correction": True, "eps_before_correction": False}
RANGES = {"lr": "[0, inf)", "beta1": "[0, 1)", "beta2": "[0, 1)", "eps": "[0, inf)"}


def bias(beta, t):
    """1 - beta**t, without cancellation: the weight that an average started at zero has gathered after t steps."""
    x = t * math.log(beta) if beta > 0.0 else -math.inf
    return -math.expm1(x) if x > -40.0 else 1.0  # what is left rounds to 1, and costs no call


def placed(eps, inside):
    """eps inside the root (in Adamax the maximum) and eps after it: one of them is 0."""
    return (eps, 0.0) if inside else (0.0, eps)


def moments(g, m, v, beta1, rest1, beta2, rest2):
    return beta1 * m + rest1 * g, beta2 * v + rest2 * g * g


def coefficients(t, lr, beta1, beta2, eps, bias_correction, eps_before_correction):
    """Those of Adam, with lr and eps such that lr*m/(sqrt(v) + eps) is lr*mhat/(sqrt(vhat) + eps).

    With eps_before_correction it is lr*mhat/((sqrt(v) + eps)/root), root being that of what v has gathered.
    """
    if bias_correction:
        root = math.sqrt(bias(beta2, t))  # numerator and denominator are multiplied by it: one division less
        lr, eps = lr * root / bias(beta1, t), eps if eps_before_correction else eps * root
    return beta1, 1.0 - beta1, beta2, 1.0 - beta2, lr, eps


def largest(t, lr, beta1, beta2, eps, bias_correction, eps_before_correction, max_corrected):
    """Those of AMSGrad: behind Adam's what v is multiplied by before the maximum is taken of it, 1/root**2 or 1."""
    _, _, _, _, lr, eps = coefficients(t, lr, beta1, beta2, eps, bias_correction, eps_before_correction)
    grow = 1.0
    if bias_correction and max_corrected:
        gathered = bias(beta2, t)  # numerator and denominator are divided by its root
        root, grow = math.sqrt(gathered), 1.0 / gathered
        lr, eps = lr / root, eps / root
    return beta1, 1.0 - beta1, beta2, 1.0 - beta2, lr, eps, grow
