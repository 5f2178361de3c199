"""What the tests of steps share: hyperparameters for every rule, random data, and how arrays are compared."""

from collections.abc import Mapping

import numpy as np

import fastopt
from fastopt.rules import ALL_RULES

BY_NAME = {rule.name: rule for rule in ALL_RULES}
DTYPES = [np.float32, np.float64]


def shape_of(rule):
    """What a loop sees of a rule: how many state arrays, whether one starts from a number, whether it decays itself."""
    return len(rule.state), len(rule.initial), "weight_decay" in rule.hyper


# Compiling is what tests take their time for. A decoupled variant is its rule after θ ← θ − lr·λθ, to the bit in plain
# Python (see test_laws.py), and its steps are held against the reference. What kernels make of a rule is asked of the
# others, of one of them, and of MADGRAD's, which is more than that.
COMPILED = [
    name
    for name in BY_NAME
    if "_decoupled" not in name or name in ("radam_decoupled", "madgrad_decoupled", "adan_decoupled")
]
# What a loop does with any rule is asked of one rule of each shape, of Adam, and of the two whose coefficients have
# most in them; the rules' own laws are asked of all.
ONE_OF_EACH = [
    *dict.fromkeys([*{shape_of(BY_NAME[name]): name for name in reversed(COMPILED)}.values(), "adam", "nadam", "radam"])
]
# A parallel kernel takes three times as long to compile as a serial one. What it adds to the serial one (chunks, their
# edges, what each thread sets) asks for no rule: those in float32, in float64 some of 0 to 4 state arrays.
IN_PARALLEL = [(name, np.float32) for name in ONE_OF_EACH]
IN_PARALLEL += [(name, np.float64) for name in ("gd", "lion", "adam", "rmsprop_centered_momentum", "adan")]
TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-12}
# Sums that are added up in another order differ by their rounding, and with them every number of a step.
NEAR_SUMS = {np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-10}
BETAS = {"beta1": 0.8, "beta2": 0.95}
PAIRS = {
    "betas": {"beta1": 0.9, "beta2": 0.999},
    "etas": {"etaminus": 0.5, "etaplus": 1.2},
    "step_sizes": {"step_size_min": 1e-6, "step_size_max": 50.0},
}

# Every rule with its defaults, and with everything that may be set set to something else.
CASES = [(name, {}) for name in BY_NAME] + [
    ("gd", {"lr": 0.05}),
    ("sgd", {"lr": 0.05}),
    ("momentum", {"lr": 0.05, "momentum": 0.7, "dampening": 0.3}),
    ("momentum", {"lr": 0.05, "momentum": 0.0, "dampening": 1.0}),
    ("nesterov", {"lr": 0.05, "momentum": 0.7}),
    ("momentum", {"lr": 0.05, "momentum": 0.7, "dampening": 0.3, "lr_in_velocity": True}),
    ("nesterov", {"lr": 0.05, "momentum": 0.7, "lr_in_velocity": True}),
    ("adagrad", {"lr": 0.1, "lr_decay": 0.05, "initial_accumulator_value": 0.3}),
    ("adagrad", {"lr": 0.1, "eps": 0.0}),
    ("adagrad", {"lr": 0.1, "eps": 1e-2, "eps_in_sqrt": True}),
    ("adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3}),
    ("rmsprop", {"lr": 0.05, "alpha": 0.8, "eps": 1e-2}),
    ("rmsprop_centered", {"lr": 0.05, "alpha": 0.8, "eps": 1e-2}),
    ("rmsprop_momentum", {"lr": 0.05, "alpha": 0.8, "eps": 1e-2, "momentum": 0.6}),
    ("rmsprop_centered_momentum", {"lr": 0.05, "alpha": 0.8, "eps": 1e-2, "momentum": 0.6}),
    ("rmsprop", {"lr": 0.05, "eps": 1e-2, "eps_in_sqrt": True}),
    ("rmsprop_centered_momentum", {"lr": 0.05, "eps": 1e-2, "eps_in_sqrt": True}),
    ("adam", {"lr": 0.05, "eps": 1e-2, **BETAS}),
    ("rmsprop_momentum", {"lr": 0.05, "alpha": 0.8, "momentum": 0.6, "lr_in_velocity": True}),
    ("rmsprop_centered_momentum", {"lr": 0.05, "alpha": 0.8, "eps": 1e-2, "momentum": 0.6, "lr_in_velocity": True}),
    ("adam", {"lr": 0.05, "bias_correction": False}),
    ("adam", {"lr": 0.05, "eps": 1e-2, "eps_before_correction": True, **BETAS}),
    ("adamw", {"lr": 0.05, "eps": 1e-2, "eps_before_correction": True, **BETAS}),
    ("amsgrad", {"lr": 0.05, "eps": 1e-2, "eps_before_correction": True, **BETAS}),
    ("amsgrad", {"lr": 0.05, "eps": 1e-2, "max_corrected": True, **BETAS}),
    ("amsgrad", {"lr": 0.05, "eps": 1e-2, "eps_before_correction": True, "max_corrected": True, **BETAS}),
    ("adamw_amsgrad", {"lr": 0.05, "eps": 1e-2, "max_corrected": True, **BETAS}),
    ("adamax", {"lr": 0.05, "eps": 1e-2, "eps_in_max": False, **BETAS}),
    ("radam", {"lr": 0.05, "eps": 1e-2, "eps_before_correction": False, **BETAS}),
    ("adam", {"lr": 0.05, "beta1": 0.0, "beta2": 0.9}),
    ("adamw", {"lr": 0.05, "eps": 1e-2, "weight_decay": 0.3, **BETAS}),
    ("adamw", {"lr": 0.05, "bias_correction": False}),
    ("amsgrad", {"lr": 0.05, "eps": 1e-2, **BETAS}),
    ("amsgrad", {"lr": 0.05, "bias_correction": False, **BETAS}),
    ("adamax", {"lr": 0.05, "eps": 1e-2, **BETAS}),
    ("nadam", {"lr": 0.05, "eps": 1e-2, "momentum_decay": 0.1, **BETAS}),
    ("nadam", {"lr": 0.05, "momentum_decay": 0.0, "beta1": 0.0}),
    ("radam", {"lr": 0.05, "eps": 1e-2, **BETAS}),
    ("adamw_amsgrad", {"lr": 0.05, "weight_decay": 0.3, **BETAS}),
    ("nadam_decoupled", {"lr": 0.05, "weight_decay": 0.3, **BETAS}),
    ("radam_decoupled", {"lr": 0.05, "weight_decay": 0.3, **BETAS}),
    ("lion", {"lr": 0.05, "weight_decay": 0.3, **BETAS}),
    ("rprop", {"lr": 0.05, "etaminus": 0.25, "etaplus": 1.5, "step_size_min": 0.01, "step_size_max": 0.2}),
    ("rprop_minus", {"lr": 0.05, "etaminus": 0.25, "etaplus": 1.5, "step_size_min": 0.01, "step_size_max": 0.2}),
    ("asgd", {"lr": 0.05, "lambd": 0.3, "alpha": 0.5, "t0": 5.5}),
    ("adabelief", {"lr": 0.05, "eps": 1e-4, **BETAS}),
    ("adabelief_decoupled", {"lr": 0.05, "weight_decay": 0.3, **BETAS}),
    ("yogi", {"lr": 0.05, "eps": 1e-4, "initial_accumulator_value": 0.5, **BETAS}),
    ("yogi_decoupled", {"lr": 0.05, "weight_decay": 0.3, **BETAS}),
    ("ademamix", {"lr": 0.05, "eps": 1e-2, "beta3": 0.99, "alpha": 5.0, **BETAS}),
    ("ademamix", {"lr": 0.05, "beta3": 0.99, "beta3_warmup": 40.0, "alpha_warmup": 50.0}),
    ("ademamix_decoupled", {"lr": 0.05, "weight_decay": 0.3, "beta1": 0.0, "beta2": 0.95, "beta3_warmup": 40.0}),
    ("adopt", {"lr": 0.05, "eps": 1e-2, "clip_exp": 0.1, **BETAS}),
    ("adopt", {"lr": 0.05, "use_clipping": False, **BETAS}),
    ("adopt_decoupled", {"lr": 0.05, "weight_decay": 0.3, **BETAS}),
    ("laprop", {"lr": 0.05, "eps": 1e-2, **BETAS}),
    ("laprop_decoupled", {"lr": 0.05, "weight_decay": 0.3, **BETAS}),
    ("adan", {"lr": 0.05, "eps": 1e-2, "beta3": 0.9, **BETAS}),
    ("adan_decoupled", {"lr": 0.05, "weight_decay": 0.3, **BETAS}),
    ("sgd_decoupled", {"lr": 0.05, "weight_decay": 0.3}),
    ("momentum_decoupled", {"lr": 0.05, "momentum": 0.7, "dampening": 0.3, "weight_decay": 0.3}),
    ("momentum_decoupled", {"lr": 0.05, "lr_in_velocity": True, "weight_decay": 0.3}),
    ("nesterov_decoupled", {"lr": 0.05, "momentum": 0.7, "weight_decay": 0.3}),
    ("adagrad_decoupled", {"lr": 0.1, "lr_decay": 0.05, "initial_accumulator_value": 0.3, "weight_decay": 0.3}),
    ("adadelta_decoupled", {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.3}),
    ("rmsprop_decoupled", {"lr": 0.05, "alpha": 0.8, "eps": 1e-2, "weight_decay": 0.3}),
    ("rmsprop_centered_decoupled", {"lr": 0.05, "alpha": 0.8, "eps": 1e-2, "weight_decay": 0.3}),
    ("rmsprop_momentum_decoupled", {"lr": 0.05, "alpha": 0.8, "momentum": 0.6, "weight_decay": 0.3}),
    ("rmsprop_centered_momentum_decoupled", {"lr": 0.05, "eps": 1e-2, "momentum": 0.6, "weight_decay": 0.3}),
    ("adamax_decoupled", {"lr": 0.05, "eps": 1e-2, "weight_decay": 0.3, **BETAS}),
    ("qhm", {"lr": 0.05, "momentum": 0.7, "nu": 0.4}),
    ("qhadam", {"lr": 0.05, "eps": 1e-2, "nu1": 0.7, "nu2": 0.9, **BETAS}),
    ("qhadam_decoupled", {"lr": 0.05, "nu1": 0.7, "nu2": 0.9, "weight_decay": 0.3, **BETAS}),
    ("madgrad", {"lr": 0.05, "momentum": 0.0, "eps": 1e-2}),
    ("madgrad", {"lr": 0.05, "momentum": 0.7, "eps": 0.0}),
    ("madgrad_decoupled", {"lr": 0.05, "momentum": 0.7, "weight_decay": 0.3}),
    ("ftrl", {"lr": 0.1, "beta": 0.5, "l1": 3.0, "l2": 0.2, "initial_accumulator_value": 0.1}),
    ("signsgd", {"lr": 0.05}),
    ("signum", {"lr": 0.05, "momentum": 0.7}),
    ("schedule_free_sgd", {"lr": 0.05, "momentum": 0.7, "warmup_steps": 10.5}),
    ("schedule_free_sgd", {"lr": 0.05, "momentum": 0.0}),
    ("schedule_free_adamw", {"lr": 0.05, "eps": 1e-2, "weight_decay": 0.3, "warmup_steps": 100.0, **BETAS}),
    ("schedule_free_adamw", {"lr": 0.05, "warmup_steps": 20.0}),
]


def name_of(case):
    """A test's id."""
    if isinstance(case, Mapping):
        return "+".join(case) or "defaults"
    return case.__name__ if isinstance(case, type) else getattr(case, "name", None)


def spelt(hyper):
    """Hyperparameters as users write them: pairs as pairs."""
    for keyword, defaults in PAIRS.items():
        if defaults.keys() & hyper.keys():
            rest = {k: v for k, v in hyper.items() if k not in defaults}
            hyper = rest | {keyword: tuple(hyper.get(name, default) for name, default in defaults.items())}
    return hyper


def optimizer(name, params, **hyper):
    return fastopt.Optimizer(params, BY_NAME[name], **spelt(hyper))


SHAPES = [(37,), (3, 5), (2, 3, 4)]


def problem(dtype, *, steps=60, shapes=SHAPES, seed=0):
    """Parameters, and a list of gradients per step: elements and steps of sizes from 1e-4 to 1e3, zeros among them.

    The arrays are not too small: a tolerance relative to an array's largest element means nothing for a momentum of
    one element that happens to cancel to zero.
    """
    rng = np.random.default_rng(seed)

    def normal(shape, low, high):
        return np.asarray(rng.normal(size=shape) * 10.0 ** rng.uniform(low, high, shape), dtype)

    params = [normal(shape, -1, 0.5) for shape in shapes]
    grads = [[normal(s, -2 + size, 1 + size) for s in shapes] for size in rng.integers(-1, 2, steps)]
    for at_step in grads[::5]:
        for g in at_step:
            g.flat[::3] = 0
    return params, grads


def leaves(tree):
    """The arrays of a nest, in order."""
    if isinstance(tree, np.ndarray):
        return [tree]
    return [leaf for child in (tree.values() if isinstance(tree, Mapping) else tree) for leaf in leaves(child)]


def assert_close(actual, expected, what, tolerance=None):
    """Every array within the tolerance of its dtype, relative to its largest element."""
    assert len(actual) == len(expected)
    for i, (a, e) in enumerate(zip(actual, expected)):
        assert a.shape == e.shape
        if not a.size:
            continue
        error, scale = np.abs(a - e).max(), np.abs(e).max()
        limit = (tolerance or TOLERANCE)[a.dtype] * scale
        assert error <= limit, f"{what}, array {i}: differs by {error:.3g}, {error / (scale or 1):.3g} of its largest"


def assert_same_steps(opt, ref, grads, overrides=None):
    """Step both, and compare parameters and state arrays after every step.

    But for the state of rules with sums over all arrays in float32: it is times their estimate, which begins as a
    difference of parameters that float32 has rounded (tests/rules/test_reduced.py holds it against what the rule says).
    """
    slots, near = opt.rule.state, NEAR_SUMS if opt.rule.reduces else None
    assert list(slots) == list(ref.state)
    if opt.rule.across and leaves(opt.params)[0].dtype == np.float32:
        slots = ()
    for k, g in enumerate(grads):
        opt.step(g)
        ref.step(leaves_or_none(g), **(overrides[k] if overrides else {}))
        assert opt.t == ref.t
        assert_close(leaves(opt.params), ref.params, f"parameters, t={ref.t}", near)
        for slot in slots:
            assert_close(leaves(opt.state[slot]), ref.state[slot], f"{slot}, t={ref.t}", near)


def leaves_or_none(tree):
    """Like ``leaves``, of a nest that holds None too."""
    if tree is None or isinstance(tree, np.ndarray):
        return [tree]
    children = tree.values() if isinstance(tree, Mapping) else tree
    return [leaf for child in children for leaf in leaves_or_none(child)]


def bits(*arrays):
    """What two runs must agree on to the bit; of a NaN, that it is one."""
    return [np.where(np.isnan(a), np.nan, a).astype(a.dtype).tobytes() for a in arrays]
