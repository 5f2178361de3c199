"""A 64-64-10 network on digits, batches of 32, float32, Adam: microseconds per step, beside the peers."""

import warnings

import numpy as np
from conftest import Contestant
from sklearn.datasets import load_digits

import fastopt

BATCH, EPOCHS, SEED = 32, 20, 0


def digits():
    """Images and labels, as many as fill whole batches: JAX compiles for one shape."""
    bunch = load_digits()
    n = len(bunch.target) // BATCH * BATCH
    return (bunch.data[:n] / 16).astype(np.float32), bunch.target[:n]


def orders(n):
    """The order of each epoch that ``fastopt.fit`` takes, for the peers to take too."""
    return np.array([np.random.default_rng((SEED, epoch)).permutation(n) for epoch in range(EPOCHS)])


def fastopts(X, y, start):
    params = fastopt.pack(start)
    opt = fastopt.Adam(params, lr=1e-3)
    loss = fastopt.problems.mlp()

    def step():
        fastopt.fit(loss, opt, (X, y), batch_size=BATCH, epochs=EPOCHS, seed=SEED, reduction="mean")

    return step, lambda: params["W1"]


def jaxs(peers, X, y, start):
    optimiser = peers.optax.adam(1e-3)
    train = peers.train_mlp(optimiser, BATCH)
    held = {"params": start, "state": optimiser.init(start)}
    order = orders(len(X))

    def step():
        held["params"], held["state"] = train(held["params"], held["state"], X, y, order)
        held["params"]["W1"].block_until_ready()

    return step, lambda: np.asarray(held["params"]["W1"])


def torches(torch, X, y, start):
    params = {name: torch.tensor(a, requires_grad=True) for name, a in start.items()}
    opt = torch.optim.Adam(params.values(), lr=1e-3, fused=True)
    data, labels, order = torch.tensor(X), torch.tensor(y), torch.tensor(orders(len(X)))

    def step():
        for epoch in order:
            for rows in epoch.split(BATCH):
                hidden = torch.tanh(data[rows] @ params["W1"] + params["b1"])
                loss = torch.nn.functional.cross_entropy(hidden @ params["W2"] + params["b2"], labels[rows])
                opt.zero_grad()
                loss.backward()
                opt.step()

    return step, lambda: params["W1"].detach().numpy()


def sklearns(X, y):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    def step():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            MLPClassifier(64, activation="tanh", alpha=0.0, batch_size=BATCH, max_iter=EPOCHS).fit(X, y)

    return step


def test_fit(race, figure, jax_peers, torch):
    X, y = digits()
    start = fastopt.problems.init_mlp(64, 64, 10, 0, np.float32)
    step, result = fastopts(X, y, start)
    step()
    expected = result().copy()
    step, result = fastopts(X, y, start)
    contestants = {"fastopt": Contestant(step, result, expected)}
    if jax_peers:
        contestants["JAX scan"] = Contestant(*jaxs(jax_peers, X, y, start), expected)
    if torch:
        contestants["PyTorch"] = Contestant(*torches(torch, X, y, start), expected)
    # scikit-learn begins elsewhere and takes another order: only its time is compared
    contestants["scikit-learn"] = Contestant(sklearns(X, y), lambda: 0.0, 0.0)
    seconds = race(contestants, 1, 1e-2, rounds=12)
    if seconds is None:
        return
    steps = EPOCHS * len(X) // BATCH
    figure("fit, 64-64-10 network, batch 32, a step", seconds["fastopt"] / steps * 1e6, "µs")
    for peer, least in {"JAX scan": 1.4, "PyTorch": 15, "scikit-learn": 12}.items():
        if peer in seconds:
            figure(f"  {peer} over fastopt", seconds[peer] / seconds["fastopt"], "×", least=least)
