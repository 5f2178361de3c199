"""The step oracle: every update rule in plain NumPy float64, written from the papers.

Nothing here shares code with the package. Each rule is one function on one array,

    rule(p, g, *state, t=step, **hyper) -> (new p, *new state)

with the names, the order and the defaults of the public API; `t` is 1 at the first step. `Reference` adds
what is common to all rules: clipping, the sign, L2 decay and a step counter for each array. Numbers that a rule keeps
from step to step come after its state, and go with it. A rule on all arrays together is one on the vector of all that
have a gradient, `t` being the vector of their steps.
"""

import numpy as np

# ---------------------------------------------------------------- gradient descent and momentum


def gd(p, g, *, t, lr=1e-3):
    return (p - lr * g,)


sgd = gd  # the same update; only the examples behind g differ


def momentum(p, g, b, *, t, lr=1e-3, momentum=0.9, dampening=0.0, lr_in_velocity=False):
    new = g if t == 1 else (1 - dampening) * g
    if lr_in_velocity:
        b = momentum * b + lr * new
        return p - b, b
    b = momentum * b + new
    return p - lr * b, b


def nesterov(p, g, b, *, t, lr=1e-3, momentum=0.9, lr_in_velocity=False):
    if lr_in_velocity:
        b = momentum * b + lr * g
        return p - lr * g - momentum * b, b
    b = momentum * b + g
    return p - lr * (g + momentum * b), b


# ---------------------------------------------------------------- accumulated squares


def adagrad(p, g, s, *, t, lr=1e-2, lr_decay=0.0, eps=1e-10, eps_in_sqrt=False):
    s = s + g**2
    d = np.sqrt(s + eps) if eps_in_sqrt else np.sqrt(s) + eps
    direction = np.divide(g, d, out=np.zeros_like(g), where=d != 0)  # no gradient so far: the parameter stays
    return p - lr / (1 + (t - 1) * lr_decay) * direction, s


def adadelta(p, g, v, u, *, t, lr=1.0, rho=0.9, eps=1e-6):
    v = rho * v + (1 - rho) * g**2
    delta = np.sqrt(u + eps) / np.sqrt(v + eps) * g
    u = rho * u + (1 - rho) * delta**2
    return p - lr * delta, v, u


def root(v, eps, eps_in_sqrt):
    return np.sqrt(v + eps) if eps_in_sqrt else np.sqrt(v) + eps


def rmsprop(p, g, v, *, t, lr=1e-2, alpha=0.99, eps=1e-8, eps_in_sqrt=False):
    v = alpha * v + (1 - alpha) * g**2
    return p - lr * g / root(v, eps, eps_in_sqrt), v


def rmsprop_centered(p, g, v, a, *, t, lr=1e-2, alpha=0.99, eps=1e-8, eps_in_sqrt=False):
    v = alpha * v + (1 - alpha) * g**2
    a = alpha * a + (1 - alpha) * g
    variance = np.maximum(v - a**2, 0)  # rounding may make it negative
    return p - lr * g / root(variance, eps, eps_in_sqrt), v, a


def rolled(p, b, direction, lr, momentum, lr_in_velocity):
    if lr_in_velocity:
        b = momentum * b + lr * direction
        return p - b, b
    b = momentum * b + direction
    return p - lr * b, b


def rmsprop_momentum(
    p, g, v, b, *, t, lr=1e-2, alpha=0.99, eps=1e-8, momentum=0.9, eps_in_sqrt=False, lr_in_velocity=False
):
    v = alpha * v + (1 - alpha) * g**2
    p, b = rolled(p, b, g / root(v, eps, eps_in_sqrt), lr, momentum, lr_in_velocity)
    return p, v, b


def rmsprop_centered_momentum(
    p, g, v, a, b, *, t, lr=1e-2, alpha=0.99, eps=1e-8, momentum=0.9, eps_in_sqrt=False, lr_in_velocity=False
):
    v = alpha * v + (1 - alpha) * g**2
    a = alpha * a + (1 - alpha) * g
    variance = np.maximum(v - a**2, 0)
    p, b = rolled(p, b, g / root(variance, eps, eps_in_sqrt), lr, momentum, lr_in_velocity)
    return p, v, a, b


# ---------------------------------------------------------------- the Adam family


def adam_step(m, v, t, lr, beta1, beta2, eps, bias_correction, eps_before_correction):
    """What is subtracted from the parameter."""
    if not bias_correction:
        return lr * m / (np.sqrt(v) + eps)
    m_hat = m / (1 - beta1**t)
    if eps_before_correction:
        return lr * m_hat / ((np.sqrt(v) + eps) / np.sqrt(1 - beta2**t))
    return lr * m_hat / (np.sqrt(v / (1 - beta2**t)) + eps)


def adam(
    p, g, m, v, *, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, bias_correction=True, eps_before_correction=False
):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return p - adam_step(m, v, t, lr, beta1, beta2, eps, bias_correction, eps_before_correction), m, v


def amsgrad(
    p,
    g,
    m,
    v,
    vmax,
    *,
    t,
    lr=1e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    bias_correction=True,
    eps_before_correction=False,
    max_corrected=False,
):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    if max_corrected and bias_correction:  # as optax: the largest corrected v so far
        vmax = np.maximum(vmax, v / (1 - beta2**t))
        root = np.sqrt(vmax) + (eps / np.sqrt(1 - beta2**t) if eps_before_correction else eps)
        return p - lr * m / (1 - beta1**t) / root, m, v, vmax
    vmax = np.maximum(vmax, v)  # of the raw v; the correction comes after
    return p - adam_step(m, vmax, t, lr, beta1, beta2, eps, bias_correction, eps_before_correction), m, v, vmax


def adamax(p, g, m, u, *, t, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8, eps_in_max=True):
    m = beta1 * m + (1 - beta1) * g
    u = np.maximum(beta2 * u, np.abs(g) + (eps if eps_in_max else 0.0))
    return p - lr / (1 - beta1**t) * m / (u if eps_in_max else u + eps), m, u


def nadam_mu(t, beta1, momentum_decay):
    return beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))


def nadam(p, g, m, v, *, t, mu_product, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8, momentum_decay=4e-3):
    """`mu_product` is μ₁·μ₂·…·μₜ, this step's factor included."""
    mu = nadam_mu(t, beta1, momentum_decay)
    mu_next = nadam_mu(t + 1, beta1, momentum_decay)
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    v_hat = v / (1 - beta2**t)
    look_ahead = (1 - mu) * g / (1 - mu_product) + mu_next * m / (1 - mu_product * mu_next)
    return p - lr * look_ahead / (np.sqrt(v_hat) + eps), m, v


def nadam_decoupled(
    p, g, m, v, *, t, mu_product, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8, momentum_decay=4e-3, weight_decay=0.0
):
    p = p * (1 - lr * weight_decay)
    hyper = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "momentum_decay": momentum_decay}
    return nadam(p, g, m, v, t=t, mu_product=mu_product, **hyper)


def radam(p, g, m, v, *, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, eps_before_correction=True):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho <= 5:  # too few samples for a variance: no adaptive step yet
        return p - lr * m_hat, m, v
    r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
    if eps_before_correction:
        return p - lr * m_hat * r * np.sqrt(1 - beta2**t) / (np.sqrt(v) + eps), m, v
    return p - lr * m_hat * r / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


def lion(p, g, m, *, t, lr=1e-4, beta1=0.9, beta2=0.99, weight_decay=0.0):
    direction = np.sign(beta1 * m + (1 - beta1) * g)
    m = beta2 * m + (1 - beta2) * g
    return p - lr * (direction + weight_decay * p), m


# ---------------------------------------------------------------- Rprop, and averaged SGD


def rprop_sizes(turn, step_size, t, lr, etaminus, etaplus, step_size_min, step_size_max):
    """`turn` is the sign of the gradient times that of the one before."""
    step_size = np.full_like(step_size, lr) if t == 1 else step_size
    factor = np.where(turn > 0, etaplus, np.where(turn < 0, etaminus, 1.0))
    return np.clip(step_size * factor, step_size_min, step_size_max)


def rprop(p, g, prev, step_size, *, t, lr=1e-2, etaminus=0.5, etaplus=1.2, step_size_min=1e-6, step_size_max=50.0):
    turn = np.sign(g * prev)
    step_size = rprop_sizes(turn, step_size, t, lr, etaminus, etaplus, step_size_min, step_size_max)
    g = np.where(turn < 0, 0.0, g)
    return p - np.sign(g) * step_size, g, step_size


def rprop_minus(
    p, g, sign, step_size, *, t, lr=1e-2, etaminus=0.5, etaplus=1.2, step_size_min=1e-6, step_size_max=50.0
):
    turn = np.sign(g) * sign
    step_size = rprop_sizes(turn, step_size, t, lr, etaminus, etaplus, step_size_min, step_size_max)
    return p - np.sign(g) * step_size, np.sign(g), step_size


def asgd(p, g, ax, *, t, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6):
    eta = lr / (1 + lambd * lr * (t - 1)) ** alpha
    mu = 1 / max(1, t - 1 - t0)
    p = p - eta * (g + lambd * p)
    return p, ax + mu * (p - ax)


# ---------------------------------------------------------------- newer averages and denominators


def adabelief(p, g, m, v, *, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-16):
    """Algorithm 2 of arXiv 2010.07468, whose s is v here; eps stays in it."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g - m) ** 2 + eps
    return p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


def yogi(p, g, m, v, *, t, lr=1e-2, beta1=0.9, beta2=0.999, eps=1e-3):
    m = beta1 * m + (1 - beta1) * g
    v = v - (1 - beta2) * np.sign(v - g**2) * g**2
    return p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


def half_life(beta):
    return np.log(0.5) / np.log(beta)


def warmed_beta3(t, beta1, beta3, warmup):
    """Half-lives that grow evenly, those of the paper's f_inv (appendix A.1 of arXiv 2409.03137)."""
    if t >= warmup:
        return beta3
    return 0.5 ** (1 / ((1 - t / warmup) * half_life(beta1) + t / warmup * half_life(beta3)))


def ademamix(
    p,
    g,
    m,
    slow,
    v,
    *,
    t,
    lr=1e-3,
    beta1=0.9,
    beta2=0.999,
    beta3=0.9999,
    alpha=2.0,
    beta3_warmup=0.0,
    alpha_warmup=0.0,
    eps=1e-8,
):
    alpha = alpha * min(1.0, t / alpha_warmup) if alpha_warmup else alpha
    beta3 = warmed_beta3(t, beta1, beta3, beta3_warmup)
    m = beta1 * m + (1 - beta1) * g
    slow = beta3 * slow + (1 - beta3) * g
    v = beta2 * v + (1 - beta2) * g**2
    direction = (m / (1 - beta1**t) + alpha * slow) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return p - lr * direction, m, slow, v


def adopt(p, g, m, v, *, t, lr=1e-3, beta1=0.9, beta2=0.9999, eps=1e-6, clip_exp=0.25, use_clipping=True):
    """The first step only sets v; that a NaN shows everywhere at once is ours."""
    if t == 1:
        nan = np.where(np.isnan(g), g, 0.0)
        return p + nan, m + nan, g**2
    normed = g / np.maximum(np.sqrt(v), eps)
    if use_clipping:
        normed = np.clip(normed, -((t - 1) ** clip_exp), (t - 1) ** clip_exp)
    m = beta1 * m + (1 - beta1) * normed
    return p - lr * m, m, beta2 * v + (1 - beta2) * g**2


def laprop(p, g, m, v, *, t, lr=4e-4, beta1=0.9, beta2=0.999, eps=1e-15):
    v = beta2 * v + (1 - beta2) * g**2
    m = beta1 * m + (1 - beta1) * g / (np.sqrt(v / (1 - beta2**t)) + eps)
    return p - lr * m / (1 - beta1**t), m, v


def adan(p, g, m, v, n, last, *, t, lr=1e-3, beta1=0.98, beta2=0.92, beta3=0.99, eps=1e-8):
    """Algorithm 1 of arXiv 2208.06677, with 1 − β for each β of it."""
    last = g if t == 1 else last
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g - last)
    n = beta3 * n + (1 - beta3) * (g + beta2 * (g - last)) ** 2
    direction = m / (1 - beta1**t) + beta2 * v / (1 - beta2**t)
    return p - lr * direction / (np.sqrt(n / (1 - beta3**t)) + eps), m, v, n, g


def shrunk_first(rule, name):
    """A rule with decoupled decay: the parameter shrinks by 1 − lr·λ, then the rule takes its step."""

    def decoupled(p, g, *state, t, weight_decay, **hyper):
        shrinks = rule is not adopt or t > 1  # adopt's first step moves nothing
        return rule(p * (1 - hyper["lr"] * weight_decay) if shrinks else p, g, *state, t=t, **hyper)

    decoupled.__name__, decoupled.__kwdefaults__ = name, rule.__kwdefaults__ | {"weight_decay": 0.0}
    return decoupled


def adan_decoupled(p, g, *state, t, weight_decay, **hyper):
    p, *state = adan(p, g, *state, t=t, **hyper)
    return p / (1 + hyper["lr"] * weight_decay), *state


adan_decoupled.__kwdefaults__ = adan.__kwdefaults__ | {"weight_decay": 0.0}
adabelief_decoupled = shrunk_first(adabelief, "adabelief_decoupled")
yogi_decoupled = shrunk_first(yogi, "yogi_decoupled")
ademamix_decoupled = shrunk_first(ademamix, "ademamix_decoupled")
adopt_decoupled = shrunk_first(adopt, "adopt_decoupled")
laprop_decoupled = shrunk_first(laprop, "laprop_decoupled")
# ---------------------------------------------------------------- quasi-hyperbolic, dual averaging, signs


def qhm(p, g, m, *, t, lr=1e-3, momentum=0.999, nu=0.7):
    m = momentum * m + (1 - momentum) * g
    return p - lr * ((1 - nu) * g + nu * m), m


def qhadam(p, g, m, v, *, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, nu1=1.0, nu2=1.0):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return p - lr * ((1 - nu1) * g + nu1 * m_hat) / (np.sqrt((1 - nu2) * g**2 + nu2 * v_hat) + eps), m, v


def qhadam_decoupled(p, g, m, v, *, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, nu1=1.0, nu2=1.0, weight_decay=0.0):
    p = p * (1 - lr * weight_decay)
    return qhadam(p, g, m, v, t=t, lr=lr, beta1=beta1, beta2=beta2, eps=eps, nu1=nu1, nu2=nu2)


def dual_averaged(p, g, v, s, x0, t, lr, momentum, eps):
    step = (lr + eps) * np.sqrt(t)
    s = s + step * g
    v = v + step * g**2
    rms = np.cbrt(v) + eps
    z = x0 - np.divide(s, rms, out=np.zeros_like(s), where=rms != 0)
    return momentum * p + (1 - momentum) * z, v, s, x0


def madgrad(p, g, v, s, x0, *, t, lr=1e-2, momentum=0.9, eps=1e-6):
    return dual_averaged(p, g, v, s, p if t == 1 else x0, t, lr, momentum, eps)


def madgrad_decoupled(p, g, v, s, x0, *, t, lr=1e-2, momentum=0.9, eps=1e-6, weight_decay=0.0):
    decayed = p * (1 - lr * weight_decay)
    return dual_averaged(decayed, g, v, s, p if t == 1 else x0, t, lr, momentum, eps)


def ftrl(p, g, s, z, *, t, lr=1e-2, beta=0.0, l1=0.0, l2=0.0):
    """Algorithm 1 of the paper, with z and all that it is compared with times lr, which may be 0."""
    sigma = np.sqrt(s + g**2) - np.sqrt(s)
    z = z + lr * g - sigma * p
    s = s + g**2
    new = -(z - np.sign(z) * lr * l1) / (beta + np.sqrt(s) + lr * l2)
    return np.where(np.abs(z) <= lr * l1, 0.0, new), s, z


def signsgd(p, g, *, t, lr=1e-3):
    return (p - lr * np.sign(g),)


def signum(p, g, m, *, t, lr=1e-3, momentum=0.9):
    m = momentum * m + (1 - momentum) * g
    return p - lr * np.sign(m), m


# ---------------------------------------------------------------- schedule-free


def schedule_free_share(t, warmup_steps):
    """The weight of step t over the sum of all so far, each the square of lr as it was, over that of lr."""
    weights = [min(1.0, k / warmup_steps) ** 2 if warmup_steps else 1.0 for k in range(1, t + 1)]
    return weights[-1] / sum(weights)


def schedule_free(step, p, z, x, t, beta, warmup_steps):
    """`p` is y; `step` makes of z the next one. Algorithm 1 of arXiv 2405.15682."""
    z, x = (p, p) if t == 1 else (z, x)
    z = step(z)
    c = schedule_free_share(t, warmup_steps)
    x = (1 - c) * x + c * z
    return (1 - beta) * z + beta * x, z, x


def schedule_free_sgd(p, g, z, x, *, t, lr=1.0, momentum=0.9, warmup_steps=0.0):
    lr = lr * t / warmup_steps if t < warmup_steps else lr
    return schedule_free(lambda z: z - lr * g, p, z, x, t, momentum, warmup_steps)


def schedule_free_adamw(
    p, g, v, z, x, *, t, lr=2.5e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, warmup_steps=0.0
):
    lr = lr * t / warmup_steps if t < warmup_steps else lr
    v = beta2 * v + (1 - beta2) * g**2
    direction = g / (np.sqrt(v / (1 - beta2**t)) + eps) + weight_decay * p
    p, z, x = schedule_free(lambda z: z - lr * direction, p, z, x, t, beta1, warmup_steps)
    return p, v, z, x


# ---------------------------------------------------------------- lengths of whole arrays


def length(a):
    return np.sqrt(np.sum(a**2))


def lamb(p, g, m, v, *, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=1e-2, bias_correction=True):
    """Algorithm 2 of arXiv 1904.00962, with φ(z) = z; the ratio where a length is 0 is that of all code."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t) if bias_correction else m
    v_hat = v / (1 - beta2**t) if bias_correction else v
    u = m_hat / (np.sqrt(v_hat) + eps) + weight_decay * p
    ratio = 1.0 if length(p) == 0 or length(u) == 0 else length(p) / length(u)
    return p - lr * ratio * u, m, v


def lars(p, g, b, *, t, lr=1.0, momentum=0.9, trust_coefficient=1e-3, weight_decay=0.0):
    """Algorithm 1 of arXiv 1708.03888."""
    below = length(g) + weight_decay * length(p)
    ratio = 1.0 if length(p) == 0 or below == 0 else trust_coefficient * length(p) / below
    b = momentum * b + lr * ratio * (g + weight_decay * p)
    return p - b, b


def novograd(p, g, m, v, *, t, lr=1e-3, beta1=0.95, beta2=0.98, eps=1e-8, weight_decay=0.0):
    """Algorithm 1 of arXiv 1905.11286; gradients of 0 before the first other one are none."""
    v = np.sum(g**2) if v == 0 else beta2 * v + (1 - beta2) * np.sum(g**2)
    divided = g / (np.sqrt(v) + eps) if np.sqrt(v) + eps != 0 else np.zeros_like(g)
    m = beta1 * m + divided + weight_decay * p
    return p - lr * m, m, v


def stableadamw(p, g, m, v, *, t, lr=1e-3, beta1=0.9, beta2=0.99, eps=1e-6, weight_decay=1e-2):
    """Algorithm 2 of arXiv 2304.13013, whose v and u are m and v here."""
    beta1, beta2 = (beta * (1 - beta ** (t - 1)) / (1 - beta**t) for beta in (beta1, beta2))
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    rms = np.sqrt(np.mean(g**2 / np.maximum(v, eps**2))) if g.size else 0.0
    lr = lr / np.maximum(1, rms)
    return p - lr * weight_decay * p - lr * m / (np.sqrt(v) + eps), m, v


# ---------------------------------------------------------------- rates that nobody tunes, of all arrays together


def adams_correction(t, beta1, beta2, bias_correction):
    return np.sqrt(1 - beta2**t) / (1 - beta1**t) if bias_correction else 1.0


def prodigy(
    p,
    g,
    m,
    v,
    s,
    p0,
    d,
    r,
    *,
    t,
    lr=1.0,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    d_coef=1.0,
    weight_decay=0.0,
    bias_correction=False,
    safeguard_warmup=False,
):
    """Algorithm 4 of arXiv 2306.06101, with the authors' decay, options and order, and without the factors 1 − β₃."""
    p0 = np.where(t == 1, p, p0)
    rate = d * lr * adams_correction(t, beta1, beta2, bias_correction)
    m = beta1 * m + (1 - beta1) * d * g
    v = beta2 * v + (1 - beta2) * d**2 * g**2
    r = np.sqrt(beta2) * r + np.sum(d * rate * g * (p0 - p))
    s = np.sqrt(beta2) * s + d * (d if safeguard_warmup else rate) * g
    size = np.sum(np.abs(s))
    d = np.maximum(d, d_coef * r / size) if size != 0 else d
    return p - rate * weight_decay * p - rate * m / (np.sqrt(v) + d * eps), m, v, s, p0, d, r


def dadapt_adam(p, g, m, v, s, d, r, *, t, lr=1.0, beta1=0.9, beta2=0.999, eps=1e-8, bias_correction=False):
    """Adam with D-Adaptation of arXiv 2301.07733, in the authors' order."""
    rate = d * lr * adams_correction(t, beta1, beta2, bias_correction)
    r = np.sqrt(beta2) * r + (1 - np.sqrt(beta2)) * np.sum(rate * g * s / (np.sqrt(v) + eps))
    m = beta1 * m + (1 - beta1) * rate * g
    v = beta2 * v + (1 - beta2) * g**2
    s = np.sqrt(beta2) * s + (1 - np.sqrt(beta2)) * rate * g
    size = np.sum(np.abs(s))
    d = np.maximum(d, r / ((1 - np.sqrt(beta2)) * size)) if size != 0 else d
    return p - m / (np.sqrt(v) + eps), m, v, s, d, r


def dadapt_adam_decoupled(p, g, m, v, s, d, r, *, t, lr, beta1, beta2, bias_correction, weight_decay, **hyper):
    hyper |= {"t": t, "lr": lr, "beta1": beta1, "beta2": beta2, "bias_correction": bias_correction}
    rate = d * lr * adams_correction(t, beta1, beta2, bias_correction)
    new, *rest = dadapt_adam(p, g, m, v, s, d, r, **hyper)
    return new - rate * weight_decay * p, *rest


dadapt_adam_decoupled.__kwdefaults__ = dadapt_adam.__kwdefaults__ | {"weight_decay": 0.0}


def dog(p, g, x0, far, squares, *, t, lr=1.0, reps_rel=1e-6, eps=1e-8):
    """Of arXiv 2302.12022, section 2; `far` is 0 before the first step of all."""
    x0 = np.where(t == 1, p, x0)
    far = reps_rel * (1 + length(p)) if far == 0 else np.maximum(far, length(p - x0))
    squares = squares + np.sum(g**2)
    return p - lr * far / np.sqrt(squares + eps) * g, x0, far, squares


# ---------------------------------------------------------------- a line search, of all arrays together


def memoryless_bfgs(p, g, d, g0, b, step, low, down, high, up, start, tries, *, t, lr=1e-3, sigma=0.3):
    """Shanno's (1978) direction from the diagonal of Gilbert and Lemaréchal (1989), and a search by slopes alone.

    The line begins where the gradient was `g0`; this point is `step` times `d` from there. `start` is the slope there,
    0 where there is no line; `high` is 0 while no step of it went up.
    """
    slope = np.sum(g * d)
    if start != 0 and np.abs(slope) > sigma * np.abs(start) and tries < 20:
        before = step
        if slope >= 0:
            high, up = step, slope
        else:
            if high == 0:
                rise = (slope - down) / (step - low)
                ahead = -slope / rise if rise > 0 else np.inf
                step = step + np.clip(ahead, step - low, 2 * step)
            low, down = before, slope
        if high != 0:
            zero = low - down * (high - low) / (up - down)
            step = np.clip(zero, low + 0.1 * (high - low), high - 0.1 * (high - low))
            tries = tries + 1
        return p + (step - before) * d, d, g0, b, step, low, down, high, up, start, tries
    b = np.where(b == 0, 1 / lr, b)  # where nothing is known yet
    s, y = step * d, g - g0
    if np.sum(s * y) > 0:
        d, b_new = quasi_newton(g, s, y, b)
        step = np.minimum(1, 2 * np.sqrt(np.sum(b * s**2) / np.sum(b * d**2)))
    else:
        d, b_new = -g / b, b
        lengths = np.sqrt(np.sum(b * s**2)), np.sqrt(np.sum(b * d**2))
        step = (
            lengths[0] / lengths[1] if lengths[0] > 0 else 0.0 if length(g) == 0 else 1 / np.sqrt(np.sum(g**2 / b) / lr)
        )
    start = np.sum(g * d)
    return p + step * d, d, g, b_new, step, 0.0, start, 0.0, 0.0, start, 0.0


def quasi_newton(g, s, y, b):
    """-H g, where H is the inverse of what BFGS makes of the matrix diag(ωb) by (s, y); and the diagonal of H⁻¹."""
    sy = np.sum(s * y)
    b = np.sum(y**2 / b) / sy * b
    q = g - np.sum(s * g) / sy * y
    r = q / b
    d = -(r - np.sum(y * r) / sy * s) - np.sum(s * g) / sy * s
    return d, b - (b * s) ** 2 / np.sum(b * s**2) + y**2 / sy


# ---------------------------------------------------------------- decoupled decay


def decoupled(rule, decayed_by=lambda t, lr, **_: lr, default=0.0):
    """The rule after θ ← θ − lr·λθ."""

    def step(p, g, *state, t, weight_decay=0.0, **hyper):
        p = p * (1 - decayed_by(t, **hyper) * weight_decay)
        return rule(p, g, *state, t=t, **hyper)

    step.__kwdefaults__ = rule.__kwdefaults__ | {"weight_decay": default}
    step.__name__ = f"{rule.__name__}_decoupled"
    return step


adagrad_decoupled = decoupled(adagrad, lambda t, lr, lr_decay, **_: lr / (1 + (t - 1) * lr_decay))
adadelta_decoupled = decoupled(adadelta)
rmsprop_decoupled = decoupled(rmsprop)
rmsprop_centered_decoupled = decoupled(rmsprop_centered)
rmsprop_momentum_decoupled = decoupled(rmsprop_momentum)
rmsprop_centered_momentum_decoupled = decoupled(rmsprop_centered_momentum)
adamax_decoupled = decoupled(adamax)
sgd_decoupled = decoupled(sgd)
momentum_decoupled = decoupled(momentum)
nesterov_decoupled = decoupled(nesterov)
radam_decoupled = decoupled(radam)
adamw = decoupled(adam, default=1e-2)
adamw_amsgrad = decoupled(amsgrad, default=1e-2)


# ---------------------------------------------------------------- what all rules share

RULES = {  # name: (rule, its state slots)
    "gd": (gd, ()),
    "sgd": (sgd, ()),
    "sgd_decoupled": (sgd_decoupled, ()),
    "momentum": (momentum, ("b",)),
    "momentum_decoupled": (momentum_decoupled, ("b",)),
    "nesterov_decoupled": (nesterov_decoupled, ("b",)),
    "nesterov": (nesterov, ("b",)),
    "adagrad": (adagrad, ("s",)),
    "adadelta": (adadelta, ("v", "u")),
    "rmsprop": (rmsprop, ("v",)),
    "rmsprop_centered": (rmsprop_centered, ("v", "a")),
    "rmsprop_momentum": (rmsprop_momentum, ("v", "b")),
    "rmsprop_centered_momentum": (rmsprop_centered_momentum, ("v", "a", "b")),
    "adam": (adam, ("m", "v")),
    "adamw": (adamw, ("m", "v")),
    "adamw_amsgrad": (adamw_amsgrad, ("m", "v", "vmax")),
    "amsgrad": (amsgrad, ("m", "v", "vmax")),
    "adamax": (adamax, ("m", "u")),
    "nadam": (nadam, ("m", "v")),
    "nadam_decoupled": (nadam_decoupled, ("m", "v")),
    "radam": (radam, ("m", "v")),
    "radam_decoupled": (radam_decoupled, ("m", "v")),
    "lion": (lion, ("m",)),
    "rprop": (rprop, ("prev", "step_size")),
    "rprop_minus": (rprop_minus, ("sign", "step_size")),
    "asgd": (asgd, ("ax",)),
    "adabelief": (adabelief, ("m", "v")),
    "adabelief_decoupled": (adabelief_decoupled, ("m", "v")),
    "yogi": (yogi, ("m", "v")),
    "yogi_decoupled": (yogi_decoupled, ("m", "v")),
    "ademamix": (ademamix, ("m", "slow", "v")),
    "ademamix_decoupled": (ademamix_decoupled, ("m", "slow", "v")),
    "adopt": (adopt, ("m", "v")),
    "adopt_decoupled": (adopt_decoupled, ("m", "v")),
    "laprop": (laprop, ("m", "v")),
    "laprop_decoupled": (laprop_decoupled, ("m", "v")),
    "adan": (adan, ("m", "v", "n", "last")),
    "adan_decoupled": (adan_decoupled, ("m", "v", "n", "last")),
    "adagrad_decoupled": (adagrad_decoupled, ("s",)),
    "adadelta_decoupled": (adadelta_decoupled, ("v", "u")),
    "rmsprop_decoupled": (rmsprop_decoupled, ("v",)),
    "rmsprop_centered_decoupled": (rmsprop_centered_decoupled, ("v", "a")),
    "rmsprop_momentum_decoupled": (rmsprop_momentum_decoupled, ("v", "b")),
    "rmsprop_centered_momentum_decoupled": (rmsprop_centered_momentum_decoupled, ("v", "a", "b")),
    "adamax_decoupled": (adamax_decoupled, ("m", "u")),
    "qhm": (qhm, ("m",)),
    "qhadam": (qhadam, ("m", "v")),
    "qhadam_decoupled": (qhadam_decoupled, ("m", "v")),
    "madgrad": (madgrad, ("v", "s", "x0")),
    "madgrad_decoupled": (madgrad_decoupled, ("v", "s", "x0")),
    "ftrl": (ftrl, ("s", "z")),
    "signsgd": (signsgd, ()),
    "signum": (signum, ("m",)),
    "schedule_free_sgd": (schedule_free_sgd, ("z", "average")),
    "schedule_free_adamw": (schedule_free_adamw, ("v", "z", "average")),
}
WHOLE = {  # those that look at whole arrays first
    "lamb": (lamb, ("m", "v")),
    "lars": (lars, ("b",)),
    "novograd": (novograd, ("m",)),
    "stableadamw": (stableadamw, ("m", "v")),
    "prodigy": (prodigy, ("m", "v", "s", "p0")),
    "dadapt_adam": (dadapt_adam, ("m", "v", "s")),
    "dadapt_adam_decoupled": (dadapt_adam_decoupled, ("m", "v", "s")),
    "dog": (dog, ("x0",)),
    "memoryless_bfgs": (memoryless_bfgs, ("d", "g0", "b")),
}
KEPT = {  # the numbers that they keep, for each array
    "novograd": ("v",),
}
ACROSS = {  # or of all arrays together
    "prodigy": ("d", "r"),
    "dadapt_adam": ("d", "r"),
    "dadapt_adam_decoupled": ("d", "r"),
    "dog": ("far", "squares"),
    "memoryless_bfgs": ("trial", "low", "down", "high", "up", "start", "tries"),
}
STARTS = {  # what a keyword sets to other than 0: slot, default
    "adagrad": ("s", 0.0),
    "adagrad_decoupled": ("s", 0.0),
    "ftrl": ("s", 0.0),
    "yogi": ("v", 1e-6),
    "yogi_decoupled": ("v", 1e-6),
}


def clip_by_value(grads, limit):
    return [None if g is None else np.clip(g, -limit, limit) for g in grads]


def clip_by_norm(grads, limit):
    """One norm over all arrays; the scale is never above 1, and a NaN norm makes every gradient NaN."""
    norm = np.sqrt(sum(np.sum(g**2) for g in grads if g is not None))
    scale = np.minimum(1, limit / (norm + 1e-6))
    return [None if g is None else g * scale for g in grads]


class Reference:
    """`params`, `state[slot]` are lists of float64 arrays, replaced by every step; `t` counts the steps, and
    `counts` those of each array: it does not age while it has no gradient. `kept[name]` is a list of a number for each
    array, or of one for all."""

    def __init__(
        self,
        rule,
        params,
        *,
        weight_decay=None,
        maximize=False,
        clip_value=None,
        clip_norm=None,
        ema=None,
        average=None,
        **hyper,
    ):
        self.rule, slots = (RULES | WHOLE)[rule]
        self.params = [np.array(p, dtype=np.float64) for p in params]
        self.state = {slot: [np.zeros_like(p) for p in self.params] for slot in slots}
        if rule in STARTS:
            slot, default = STARTS[rule]
            start = hyper.pop("initial_accumulator_value", default)
            self.state[slot] = [np.full_like(p, start) for p in self.params]
        self.averages, self.ema = ema is not None or average == "polyak", ema
        self.paths = [[] for _ in self.params]  # where each array has been, for the mean
        if self.averages or "average" in slots:
            self.state["average"] = [p.copy() for p in self.params]
        self.across = rule in ACROSS
        owners = 1 if self.across else len(self.params)
        self.kept = {name: [0.0] * owners for name in ACROSS.get(rule, KEPT.get(rule, ()))}
        if "d" in self.kept:
            self.kept["d"] = [hyper.pop("d0", 1e-6)]
        self.t, self.counts = 0, [0] * len(self.params)
        self.maximize, self.clip_value, self.clip_norm = maximize, clip_value, clip_norm
        if weight_decay is not None:  # None: the rule's own default, which is 0 but in adamw
            hyper["weight_decay"] = weight_decay
        self.hyper = self.checked(hyper)
        self.mu_products = [1.0] * len(self.params)  # nadam alone reads them

    def checked(self, hyper):
        unknown = set(hyper) - {*self.rule.__kwdefaults__, "weight_decay"}
        if unknown:
            raise TypeError(f"{self.rule.__name__} has no hyperparameter {sorted(unknown)}")
        return hyper

    def step(self, grads, **override):
        """One update. `override` holds for this step only; a None gradient skips its array."""
        if all(g is None for g in grads):
            return
        self.t += 1
        hyper = {**self.rule.__kwdefaults__, **self.hyper, **self.checked(override)}
        with np.errstate(all="ignore"):  # NaN and Inf propagate in silence, as in the compiled kernels
            signed = {i: -g if self.maximize else g for i, g in enumerate(self.clipped(grads)) if g is not None}
            for i in signed:
                self.counts[i] += 1
            if self.across:
                self.update_all(signed, hyper)
            else:
                for i, g in signed.items():
                    self.update(i, g, hyper)
            if self.averages:
                self.state["average"] = [
                    self.averaged(i) if i in signed else a for i, a in enumerate(self.state["average"])
                ]

    def clipped(self, grads):
        grads = [None if g is None else np.array(g, dtype=np.float64) for g in grads]
        if self.clip_value is not None:
            grads = clip_by_value(grads, self.clip_value)
        if self.clip_norm is not None:
            grads = clip_by_norm(grads, self.clip_norm)
        return grads

    def update(self, i, g, hyper):
        hyper = hyper | {"t": self.counts[i]}
        if self.rule in (nadam, nadam_decoupled):
            self.mu_products[i] *= nadam_mu(self.counts[i], hyper["beta1"], hyper["momentum_decay"])
            hyper["mu_product"] = self.mu_products[i]
        hyper, g = self.decayed(hyper, g, self.params[i])
        parts = [*self.own_state(), *self.kept.values()]
        new = self.rule(self.params[i], g, *(part[i] for part in parts), **hyper)
        for part, value in zip([self.params, *parts], new):
            part[i] = np.asarray(value)

    def update_all(self, grads, hyper):
        """One update of the vector of all arrays that have a gradient."""

        def joined(arrays):
            return np.concatenate([np.ravel(arrays[i]) for i in grads])

        t = joined({i: np.full(g.shape, self.counts[i]) for i, g in grads.items()})
        p, slots = joined(self.params), self.own_state()
        hyper, g = self.decayed(hyper | {"t": t}, joined(grads), p)
        kept = [numbers[0] for numbers in self.kept.values()]
        new = self.rule(p, g, *map(joined, slots), *kept, **hyper)
        ends = np.cumsum([grad.size for grad in grads.values()])
        for arrays, vector in zip([self.params, *slots], new):
            for i, part in zip(grads, np.split(vector, ends[:-1])):
                arrays[i] = part.reshape(arrays[i].shape)
        for numbers, number in zip(self.kept.values(), new[1 + len(slots) :]):
            numbers[0] = number

    def decayed(self, hyper, g, p):
        """L2 decay, but in rules that decay the parameter themselves."""
        if "weight_decay" in self.rule.__kwdefaults__:
            return hyper, g
        decay = hyper.pop("weight_decay", 0.0)
        return hyper, g + decay * p if decay else g

    def own_state(self):
        """What the rule itself keeps for each array."""
        return [arrays for slot, arrays in self.state.items() if slot != "average" or not self.averages]

    def averaged(self, i):
        """What the average of array i is after a step."""
        p = self.params[i]
        self.paths[i].append(p)
        if self.ema is None:
            return np.mean(self.paths[i], axis=0)
        return p if self.counts[i] == 1 else self.ema * self.state["average"][i] + (1 - self.ema) * p
