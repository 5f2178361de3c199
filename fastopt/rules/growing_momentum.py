"""The momentum of NAdam, which grows from step to step, and the product of all so far."""

from math import expm1, log, log1p


def factor(t, beta1, momentum_decay):
    """mu_t."""
    return beta1 * (1.0 - 0.5 * 0.96 ** (t * momentum_decay))


def log_product(t, beta1, momentum_decay):
    """log(mu_1*...*mu_t) = t*log(beta1) - sum over k of (1/2)**k/k * q**k * (1-q**(kt))/(1-q**k), q = 0.96**decay.

    The sum is the series of log(1 - q**i/2), added up over i first; 53 terms reach the last bit of a float64.
    """
    logq = momentum_decay * log(0.96)
    total = t * log(beta1)
    if logq == 0.0:
        return total + t * log1p(-0.5)
    one, many = expm1(logq), expm1(t * logq)
    power, all_powers, half = one, many, 0.5
    for k in range(1, 54):
        total -= half / k * (1.0 + power) * all_powers / power
        power += one + power * one  # expm1(k*logq) -> expm1((k+1)*logq)
        all_powers += many + all_powers * many
        half *= 0.5
    return total
