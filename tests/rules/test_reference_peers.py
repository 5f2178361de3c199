"""The oracle against PyTorch and optax, step by step: parameters and state, every rule and option they share."""

import numpy as np
import pytest
from reference import RULES, WHOLE, Reference
from stepping import spelt

pytestmark = pytest.mark.needs("peers")
STEPS = 80
SHAPES = [(3,), (2, 4), ()]


def random_problem(seed=0):
    """Parameters, and the gradients of every step: of several sizes, with a zero here and there."""
    rng = np.random.default_rng(seed)
    params = [rng.normal(size=shape) for shape in SHAPES]
    grads = [[rng.normal(size=s) * 10.0 ** rng.integers(-3, 2) for s in SHAPES] for _ in range(STEPS)]
    for g in grads[::7]:
        g[1][0, 0] = 0.0
    return params, grads


def assert_same(actual, expected, what):
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected):
        assert a.dtype == np.float64
        np.testing.assert_allclose(a, e, rtol=1e-10, atol=1e-15, err_msg=what)


# ---------------------------------------------------------------- against PyTorch


# our state slot -> PyTorch's names for it
SLOTS = {
    "b": ["momentum_buffer"],
    "s": ["sum"],
    "a": ["grad_avg"],
    "m": ["exp_avg"],
    "v": ["exp_avg_sq", "square_avg"],
    "u": ["acc_delta", "exp_inf"],
    "vmax": ["max_exp_avg_sq"],
    "prev": ["prev"],
    "step_size": ["step_size"],
    "ax": ["ax"],
}
BETAS = {"beta1": 0.8, "beta2": 0.95}
RESILIENT = {"etaminus": 0.4, "etaplus": 1.5, "step_size_min": 0.02, "step_size_max": 0.3}

# rule, PyTorch's class, hyperparameters (none: the defaults are compared too), what PyTorch needs besides
TORCH = [
    ("gd", "SGD", {}, {}),
    ("sgd", "SGD", {"lr": 0.05}, {}),
    ("momentum", "SGD", {"momentum": 0.9}, {}),
    ("momentum", "SGD", {"lr": 0.05, "momentum": 0.7, "dampening": 0.3}, {}),
    ("nesterov", "SGD", {"momentum": 0.7}, {"nesterov": True}),
    ("adagrad", "Adagrad", {}, {}),
    ("adagrad", "Adagrad", {"lr": 0.1, "lr_decay": 0.05, "initial_accumulator_value": 0.3}, {}),
    ("adagrad", "Adagrad", {"eps": 0.1}, {}),
    ("adadelta", "Adadelta", {}, {}),
    ("adadelta", "Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3}, {}),
    ("rmsprop", "RMSprop", {}, {}),
    ("rmsprop", "RMSprop", {"alpha": 0.8, "eps": 1e-2}, {}),
    ("rmsprop_centered", "RMSprop", {}, {"centered": True}),
    ("rmsprop_momentum", "RMSprop", {"momentum": 0.9}, {}),
    ("rmsprop_centered_momentum", "RMSprop", {"momentum": 0.6, "alpha": 0.8}, {"centered": True}),
    ("adam", "Adam", {}, {}),
    ("adam", "Adam", {"lr": 0.1, "eps": 1e-2, **BETAS}, {}),
    ("adam", "Adam", {"beta1": 0.0, "beta2": 0.9}, {}),
    ("adamw", "AdamW", {}, {}),
    ("adamw", "AdamW", {"lr": 0.1, "eps": 1e-2, **BETAS}, {}),
    ("amsgrad", "Adam", {}, {"amsgrad": True}),
    ("amsgrad", "Adam", BETAS, {"amsgrad": True}),
    ("adamw_amsgrad", "AdamW", {}, {"amsgrad": True}),
    ("adamw_amsgrad", "AdamW", BETAS, {"amsgrad": True}),
    ("adamax", "Adamax", {}, {}),
    ("adamax", "Adamax", {"eps": 1e-2, **BETAS}, {}),
    ("nadam", "NAdam", {}, {}),
    ("nadam", "NAdam", {"momentum_decay": 0.1, "eps": 1e-2, **BETAS}, {}),
    ("nadam_decoupled", "NAdam", {}, {"decoupled_weight_decay": True}),
    ("radam_decoupled", "RAdam", {}, {"decoupled_weight_decay": True}),
    ("radam", "RAdam", {}, {}),
    ("radam", "RAdam", {"eps": 1e-2, **BETAS}, {}),
    ("rprop", "Rprop", {}, {}),
    ("rprop", "Rprop", {"lr": 0.1, **RESILIENT}, {}),
    ("asgd", "ASGD", {}, {}),
    ("asgd", "ASGD", {"lr": 0.1, "lambd": 0.05, "alpha": 0.6, "t0": 8.5}, {}),
    ("qhadam", "Adam", {}, {}),  # both ν are 1; otherwise see test_reference_definitions.py
    ("qhadam_decoupled", "Adam", {}, {"decoupled_weight_decay": True}),
]
OPTIONS = [
    {},
    {"weight_decay": 0.1},
    {"maximize": True},
    {"clip_value": 0.5},
    {"clip_norm": 0.7},
    {"weight_decay": 0.1, "maximize": True, "clip_value": 0.5, "clip_norm": 0.7},
]


def torch_optimizer(torch, cls, params, keywords):
    """PyTorch takes pairs as pairs, and clips by functions of its own."""
    keywords = spelt({k: v for k, v in keywords.items() if not k.startswith("clip")})
    return getattr(torch.optim, cls)(params, foreach=False, **keywords)


def torch_step(torch, optimizer, params, grads, *, clip_value=None, clip_norm=None):
    for p, g in zip(params, grads):
        p.grad = None if g is None else torch.tensor(g)
    if clip_value is not None:
        torch.nn.utils.clip_grad_value_(params, clip_value)
    if clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(params, clip_norm)
    optimizer.step()


def assert_same_as_torch(ref, params, optimizer):
    assert_same(ref.params, [p.detach().numpy() for p in params], f"parameters, t={ref.t}")
    for slot, arrays in ref.state.items():
        theirs = [optimizer.state[p] for p in params]
        name = next(name for name in SLOTS[slot] if name in theirs[0])
        assert_same(arrays, [state[name].numpy() for state in theirs], f"{slot}, t={ref.t}")


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "+".join(o) or "plain")
@pytest.mark.parametrize(("rule", "cls", "hyper", "extra"), TORCH)
def test_against_pytorch(torch, rule, cls, hyper, extra, options):
    if cls == "Rprop":  # which has no decay
        options = {k: v for k, v in options.items() if k != "weight_decay"}
    start, grads = random_problem()
    ref = Reference(rule, start, **hyper, **options)
    params = [torch.tensor(p, requires_grad=True) for p in start]
    optimizer = torch_optimizer(torch, cls, params, {**hyper, **options, **extra})
    clip = {k: v for k, v in options.items() if k.startswith("clip")}
    for g in grads:
        ref.step(g)
        torch_step(torch, optimizer, params, g, **clip)
        assert_same_as_torch(ref, params, optimizer)


# What PyTorch has without decoupled decay: rule, class, hyperparameters, what PyTorch needs besides.
DECAYED = [
    ("sgd_decoupled", "SGD", {"lr": 0.05}, {}),
    ("momentum_decoupled", "SGD", {"lr": 0.05, "momentum": 0.7, "dampening": 0.3}, {}),
    ("nesterov_decoupled", "SGD", {"lr": 0.05, "momentum": 0.7}, {"nesterov": True}),
    ("adagrad_decoupled", "Adagrad", {"lr": 0.1, "lr_decay": 0.05}, {}),
    ("adadelta_decoupled", "Adadelta", {"lr": 0.5}, {}),
    ("rmsprop_decoupled", "RMSprop", {"lr": 0.05}, {}),
    ("rmsprop_centered_decoupled", "RMSprop", {"lr": 0.05}, {"centered": True}),
    ("rmsprop_momentum_decoupled", "RMSprop", {"lr": 0.05, "momentum": 0.6}, {}),
    ("rmsprop_centered_momentum_decoupled", "RMSprop", {"lr": 0.05, "momentum": 0.6}, {"centered": True}),
    ("adamax_decoupled", "Adamax", {"lr": 0.05}, {}),
]


@pytest.mark.parametrize(("rule", "cls", "hyper", "extra"), DECAYED)
def test_decoupled_decay_comes_before_pytorchs_step(torch, rule, cls, hyper, extra):
    start, grads = random_problem()
    ref = Reference(rule, start, **hyper, weight_decay=0.3)
    params = [torch.tensor(p, requires_grad=True) for p in start]
    optimizer = torch_optimizer(torch, cls, params, {**hyper, **extra})
    for k, g in enumerate(grads):
        lr = hyper["lr"] / (1 + k * hyper.get("lr_decay", 0.0))
        for p in params:
            p.data.mul_(1 - lr * 0.3)
        ref.step(g)
        torch_step(torch, optimizer, params, g)
        assert_same_as_torch(ref, params, optimizer)


# What neither has is held against its definition in test_reference_definitions.py, or numbers in test_reference.py.
ALONE = {"madgrad", "madgrad_decoupled", "ftrl", "rprop_minus", "adopt_decoupled", "adan_decoupled", "stableadamw"}
ALONE |= {"memoryless_bfgs"}


def test_every_rule_has_a_peer():
    assert {rule for rule, *_ in TORCH + OPTAX + DECAYED} == set(RULES | WHOLE) - ALONE


@pytest.mark.parametrize(("rule", "cls", "hyper", "extra"), [case for case in TORCH if case[0] != "asgd"])
def test_schedules_and_absent_gradients_against_pytorch(torch, rule, cls, hyper, extra):
    """PyTorch counts the steps of each array by itself. (Its ASGD follows lr a step late.)"""
    start, grads = random_problem()
    ref = Reference(rule, start, **hyper)
    params = [torch.tensor(p, requires_grad=True) for p in start]
    optimizer = torch_optimizer(torch, cls, params, {**hyper, **extra})
    for k, g in enumerate(grads):
        given = [None if k % 3 == i + 1 or k < 10 * i else gi for i, gi in enumerate(g)]
        lr = optimizer.param_groups[0]["lr"] = 0.1 * 0.9**k
        ref.step(given, lr=lr)
        torch_step(torch, optimizer, params, given)
        assert_same(ref.params, [p.detach().numpy() for p in params], f"parameters, t={ref.t}")
    assert_same_as_torch(ref, params, optimizer)


# ---------------------------------------------------------------- against optax, where it means the same

UNCORRECTED = {"bias_correction_mu": False, "bias_correction_nu": False}

# rule, our hyperparameters, optax's function, its arguments
OPTAX = [
    ("sgd", {"lr": 0.05}, "sgd", {}),
    ("nesterov", {"lr": 0.05, "momentum": 0.7}, "sgd", {"momentum": 0.7, "nesterov": True}),
    # without eps the two rules for it cannot differ, and both leave a parameter without any gradient alone
    ("adagrad", {"lr": 0.05, "eps": 0.0}, "adagrad", {"eps": 0.0, "initial_accumulator_value": 0.0}),
    ("adadelta", {"lr": 0.5}, "adadelta", {}),
    ("rmsprop", {"lr": 0.05}, "rmsprop", {"decay": 0.99, "eps_in_sqrt": False}),
    ("rmsprop", {"lr": 0.05, "eps": 1e-2, "eps_in_sqrt": True}, "rmsprop", {"decay": 0.99, "eps": 1e-2}),
    (
        "rmsprop_centered",
        {"lr": 0.05, "eps": 1e-2, "eps_in_sqrt": True},
        "rmsprop",
        {"decay": 0.99, "eps": 1e-2, "centered": True},
    ),
    (
        "adagrad",
        {"lr": 0.05, "eps": 1e-2, "eps_in_sqrt": True, "initial_accumulator_value": 0.1},
        "adagrad",
        {"eps": 1e-2},
    ),
    ("adam", {"lr": 0.05}, "adam", {}),
    ("adamw", {"lr": 0.05, "weight_decay": 0.1}, "adamw", {"weight_decay": 0.1}),
    # its correction comes before the maximum, ours after; without any they agree
    ("amsgrad", {"lr": 0.05, "bias_correction": False}, "amsgrad", UNCORRECTED),
    ("adamax", {"lr": 0.05}, "adamax", {}),
    ("radam", {"lr": 0.05, "eps": 0.0}, "radam", {"eps": 0.0}),  # its eps is added to the corrected √v̂
    ("lion", {"lr": 0.05}, "lion", {"weight_decay": 0.0}),
    ("lion", {"lr": 0.05, "weight_decay": 0.1, "beta2": 0.9}, "lion", {"weight_decay": 0.1, "b2": 0.9}),
    # with nu = momentum its steps are Nesterov's
    ("qhm", {"lr": 0.5, "momentum": 0.7, "nu": 0.7}, "sgd", {"learning_rate": 0.15, "momentum": 0.7, "nesterov": True}),
    ("signsgd", {"lr": 0.05}, "sign_sgd", {}),
    ("signum", {"lr": 0.05, "momentum": 0.7}, "signum", {"beta": 0.7}),
]

SET = {"lr": 0.05, "eps": 1e-4, **BETAS}
THEIRS = {"b1": 0.8, "b2": 0.95, "eps": 1e-4}
WARMED = {"beta3": 0.99, "beta3_warmup": 50.0, "alpha_warmup": 60.0, "alpha": 5.0}


def rising(count):
    """The paper's formula for β₃, of the logarithms, from 0.8 to 0.99 in 50 steps."""
    from jax import numpy as jnp

    low, high, a = np.log(0.8), np.log(0.99), (count.astype(float) + 1.0) / 50
    return jnp.minimum(jnp.exp(low * high / ((1 - a) * high + a * low)), 0.99)


def chained(scale, decay=0.0, **keywords):
    """A way of optax's to scale gradients, then decay times lr: what its decoupled aliases are."""

    def make(lr):
        import optax

        found = getattr(optax, f"scale_by_{scale}", None) or getattr(optax.contrib, f"scale_by_{scale}")
        return optax.chain(found(**keywords), optax.add_decayed_weights(decay), optax.scale(-lr))

    return make


def yogi_from(**keywords):
    """optax's, with an m that starts at 0."""

    def make(lr):
        import jax
        import optax

        transform = chained("yogi", **keywords)(lr)

        def init(params):
            first, *rest = transform.init(params)
            return (first._replace(mu=jax.tree.map(jax.numpy.zeros_like, first.mu)), *rest)

        return optax.GradientTransformation(init, transform.update)

    return make


def laprop(decay=0.0, b1=0.9, b2=0.999, eps=1e-15):
    """Put together: g over the corrected root, then a corrected average."""

    def make(lr):
        import optax

        scale = optax.scale_by_rms(decay=b2, eps=eps, eps_in_sqrt=False, bias_correction=True)
        return optax.chain(scale, optax.ema(b1, debias=True), optax.add_decayed_weights(decay), optax.scale(-lr))

    return make


OPTAX += [
    ("adabelief", {"lr": 0.05}, "adabelief", {}),
    ("adabelief", SET, "adabelief", {**THEIRS, "eps_root": 1e-4}),
    ("adabelief_decoupled", SET | {"weight_decay": 0.1}, chained("belief", 0.1, **THEIRS, eps_root=1e-4), {}),
    ("yogi", {"lr": 0.05}, yogi_from(), {}),
    ("yogi", {**SET, "initial_accumulator_value": 0.3}, yogi_from(**THEIRS, initial_accumulator_value=0.3), {}),
    ("yogi", {"lr": 0.05, "initial_accumulator_value": 0.0}, chained("yogi", initial_accumulator_value=0.0), {}),
    ("yogi_decoupled", SET | {"weight_decay": 0.1}, yogi_from(decay=0.1, **THEIRS), {}),
    ("ademamix", {"lr": 0.05}, "ademamix", {"alpha": 2.0}),
    ("ademamix", SET | {"beta3": 0.99}, "ademamix", {**THEIRS, "b3": 0.99, "alpha": 2.0}),
    ("ademamix_decoupled", SET | {"weight_decay": 0.1}, "ademamix", {**THEIRS, "alpha": 2.0, "weight_decay": 0.1}),
    (
        "ademamix",
        SET | WARMED,
        "ademamix",
        {**THEIRS, "b3": rising, "alpha": lambda count: 5.0 * ((count.astype(float) + 1.0) / 60.0).clip(max=1.0)},
    ),
    ("adopt", {"lr": 0.05}, "adopt", {}),
    ("adopt", SET, "adopt", THEIRS),
    ("adopt", SET | {"clip_exp": 0.1}, "adopt", {**THEIRS, "clip_value_fn": lambda count: count**0.1}),
    ("adopt", SET | {"use_clipping": False}, "adopt", {**THEIRS, "use_clipping": False}),
    ("laprop", {"lr": 0.05}, laprop(), {}),
    ("laprop", SET, laprop(**THEIRS), {}),
    ("laprop_decoupled", SET | {"weight_decay": 0.1}, laprop(0.1, **THEIRS), {}),
    # where its 1 − β₂ is β₂
    ("adan", {"lr": 0.05, "beta2": 0.5}, "adan", {"b2": 0.5, "eps_root": 0.0}),
    ("adan", SET | {"beta2": 0.5, "beta3": 0.9}, "adan", {**THEIRS, "b2": 0.5, "b3": 0.9, "eps_root": 0.0}),
    ("schedule_free_sgd", {"lr": 0.05}, "schedule_free_sgd", {}),
    ("schedule_free_sgd", {"lr": 0.05, "momentum": 0.7}, "schedule_free_sgd", {"b1": 0.7}),
    ("schedule_free_adamw", {"lr": 0.05}, "schedule_free_adamw", {}),
    ("schedule_free_adamw", SET | {"weight_decay": 0.1}, "schedule_free_adamw", {**THEIRS, "weight_decay": 0.1}),
]

# Of whole arrays, and of all together; with decay optax's LARS has another length, and it always corrects d's rate.
PAIR = {"betas": (0.8, 0.95), "eps": 1e-4}
FOUND = {"lr": 1.0, "bias_correction": True}
OPTAX += [
    ("lamb", {"lr": 0.05, "weight_decay": 0.0}, "lamb", {}),
    ("lamb", SET | {"weight_decay": 0.3}, "lamb", {**THEIRS, "weight_decay": 0.3}),
    ("lars", {"lr": 5.0}, "lars", {}),
    (
        "lars",
        {"lr": 5.0, "momentum": 0.7, "trust_coefficient": 0.01},
        "lars",
        {"momentum": 0.7, "trust_coefficient": 0.01},
    ),
    ("novograd", {"lr": 0.05, "beta1": 0.9, "beta2": 0.25, "eps": 1e-6}, "novograd", {}),
    ("novograd", SET | {"weight_decay": 0.3}, "novograd", {**THEIRS, "weight_decay": 0.3}),
    ("prodigy", FOUND, "prodigy", {}),
    (
        "prodigy",
        SET | FOUND | {"lr": 0.5, "d0": 1e-3, "d_coef": 2.0, "weight_decay": 0.3},
        "prodigy",
        {**PAIR, "estim_lr0": 1e-3, "estim_lr_coef": 2.0, "weight_decay": 0.3},
    ),
    ("prodigy", FOUND | {"safeguard_warmup": True}, "prodigy", {"safeguard_warmup": True}),
    ("dadapt_adam", FOUND, "dadapt_adamw", {}),
    (
        "dadapt_adam_decoupled",
        SET | FOUND | {"lr": 0.5, "d0": 1e-3, "weight_decay": 0.3},
        "dadapt_adamw",
        {**PAIR, "estim_lr0": 1e-3, "weight_decay": 0.3},
    ),
    ("dog", {"lr": 1.0}, "dog", {}),
    (
        "dog",
        {"lr": 0.5, "reps_rel": 1e-2, "eps": 1.0, "weight_decay": 0.1},
        "dog",
        {"init_step": ("heuristic", 1e-2), "eps": 1.0, "weight_decay": 0.1},
    ),
]


def optax_of(name):
    import optax

    return name if callable(name) else getattr(optax, name, None) or getattr(optax.contrib, name)


@pytest.mark.parametrize(("rule", "hyper", "name", "keywords"), OPTAX)
def test_against_optax(rule, hyper, name, keywords):
    import jax
    import optax

    start, grads = random_problem()
    ref = Reference(rule, start, **hyper)
    with jax.enable_x64(True):  # for this block alone
        given = () if "learning_rate" in keywords else (hyper["lr"],)
        transform = optax_of(name)(*given, **keywords)
        params = [jax.numpy.asarray(p) for p in start]
        state = transform.init(params)
        update = jax.jit(transform.update)
        for g in grads:
            ref.step(g)
            updates, state = update([jax.numpy.asarray(gi) for gi in g], state, params)
            params = optax.apply_updates(params, updates)
            assert_same(ref.params, [np.asarray(p) for p in params], f"parameters, t={ref.t}")


def test_the_step_sizes_of_optax():
    """Its Rprop has the step sizes of ours, and takes in each step those of the step before, if the sign is kept."""
    import jax
    import optax

    start, grads = random_problem()
    ref, names = Reference("rprop", start, lr=0.05, **RESILIENT), ("eta_minus", "eta_plus", "min_step_size")
    with jax.enable_x64(True):
        given = dict(zip((*names, "max_step_size"), RESILIENT.values()))
        transform = optax.rprop(0.05, **given)
        params = [jax.numpy.asarray(p) for p in start]
        state, update = transform.init(params), jax.jit(transform.update)
        moved = [np.zeros_like(p) for p in start]
        for g in grads:
            last, prev = list(ref.params), list(ref.state["prev"])
            ref.step(g)
            updates, state = update([jax.numpy.asarray(gi) for gi in g], state, params)
            assert_same([np.asarray(s) for s in state[0].step_sizes], ref.state["step_size"], f"t={ref.t}")
            expected = [np.where(gi * old < 0, 0.0, step) for gi, old, step in zip(g, prev, moved)]
            assert_same([np.asarray(u) for u in updates], expected, f"t={ref.t}")
            moved = [new - old for new, old in zip(ref.params, last)]


# ---------------------------------------------------------------- against the authors of the schedule-free rules


@pytest.mark.needs("peers", "torch", "schedulefree")
@pytest.mark.parametrize(
    ("rule", "cls", "hyper"),
    [
        ("schedule_free_sgd", "SGDScheduleFree", {}),
        ("schedule_free_sgd", "SGDScheduleFree", {"lr": 0.1, "momentum": 0.7, "warmup_steps": 20, "weight_decay": 0.3}),
        ("schedule_free_adamw", "AdamWScheduleFree", {}),
        ("schedule_free_adamw", "AdamWScheduleFree", {"lr": 0.1, "eps": 1e-2, "warmup_steps": 100, **BETAS}),
        ("schedule_free_adamw", "AdamWScheduleFree", {"lr": 0.1, "warmup_steps": 7, "weight_decay": 0.3}),
    ],
)
def test_against_the_package_schedulefree(torch, rule, cls, hyper):
    """Where gradients are taken, where it is evaluated, and z."""
    import schedulefree

    start, grads = random_problem()
    ref = Reference(rule, start, **hyper)
    params = [torch.tensor(p, requires_grad=True) for p in start]
    opt = getattr(schedulefree, cls)(params, foreach=False, **spelt(hyper))
    for g in grads:
        opt.train()
        ref.step(g)
        torch_step(torch, opt, params, g)
        assert_same(ref.params, [p.detach().numpy() for p in params], f"parameters, t={ref.t}")
        assert_same(ref.state["z"], [opt.state[p]["z"].numpy() for p in params], f"z, t={ref.t}")
        opt.eval()
        averages = [p.detach().numpy() for p in params]
        for mine, theirs in zip(ref.state["average"], averages):
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)  # which they work out from y and z


# ---------------------------------------------------------------- what no peer has


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("adam", {"beta1": 0.0, "beta2": 0.99, "bias_correction": False}), ("rmsprop", {"lr": 1e-3})),
        (("adamw", {"weight_decay": 0, "bias_correction": False}), ("adam", {"bias_correction": False})),
    ],
)
def test_rules_that_are_the_same_are_the_same(left, right):
    start, grads = random_problem()
    (a, a_hyper), (b, b_hyper) = left, right
    first, second = Reference(a, start, **a_hyper), Reference(b, start, **b_hyper)
    for g in grads:
        first.step(g)
        second.step(g)
        assert_same(first.params, second.params, f"t={first.t}")
