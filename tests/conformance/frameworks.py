"""The optimisers of other frameworks, all called alike: ``step(grads, k)`` returns the parameters after it, as arrays.

Each is made of NumPy arrays, the learning rate of every step, the name of its class or function, and its keywords, as
that framework spells them. A keyword that sets the learning rate takes the place of the sequence.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
import tempfile
import types
import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np


class Torch:
    """PyTorch's, and what is made in its style."""

    def __init__(self, start, lrs, name, keywords):
        import torch

        self.lrs, self.torch = lrs, torch
        self.params = [torch.tensor(p, requires_grad=True) for p in start]
        with self.in_float64():
            self.opt = self.find(name)(self.params, lr=lrs[0], **keywords)

    def find(self, name):
        return getattr(self.torch.optim, name)

    @contextlib.contextmanager
    def in_float64(self):
        """What optimisers keep beside the parameters has the default dtype."""
        before = self.torch.get_default_dtype()
        self.torch.set_default_dtype(self.torch.float64)
        try:
            yield
        finally:
            self.torch.set_default_dtype(before)

    def step(self, grads, k):
        for group in self.opt.param_groups:
            group["lr"] = self.lrs[k]
        for p, g in zip(self.params, grads):
            p.grad = self.torch.tensor(g)
        with self.in_float64():
            self.opt.step()
        return [p.detach().numpy().copy() for p in self.params]


class Timm(Torch):
    """timm's, without the models beside them, which need a torchvision that fits this very build of PyTorch."""

    def find(self, name):
        for package in ("timm", "timm.optim"):
            if package not in sys.modules:
                spec = importlib.util.find_spec(package)
                bare = sys.modules[package] = types.ModuleType(package)
                bare.__spec__, bare.__path__ = spec, list(spec.submodule_search_locations)
        module, _, cls = name.partition(".")
        return getattr(importlib.import_module(f"timm.optim.{module}"), cls)


class Optax:
    """optax's; compiled once for all tasks, with the learning rates as an argument."""

    compiled: ClassVar[dict] = {}

    def __init__(self, start, lrs, name, keywords):
        import jax

        self.x64, self.lrs, key = jax.enable_x64, np.asarray(lrs), (name, repr(keywords))
        if key not in self.compiled:
            self.compiled[key] = self.functions(jax, name, keywords)
        init, self.run = self.compiled[key]
        with self.x64(True):  # for this block alone
            self.params = list(map(jax.numpy.asarray, start))
            self.state = init(self.params, self.lrs)

    def functions(self, jax, name, keywords):
        import optax

        make = getattr(optax, name, None) or getattr(optax.contrib, name)

        def transform(lrs):
            lr = {} if "learning_rate" in keywords else {"learning_rate": lambda count: lrs[count]}
            return make(**lr, **keywords)

        def init(params, lrs):
            return transform(lrs).init(params)

        def step(params, state, grads, lrs):
            updates, state = transform(lrs).update(grads, state, params)
            return optax.apply_updates(params, updates), state

        return jax.jit(init), jax.jit(step)

    def step(self, grads, k):
        with self.x64(True):
            self.params, self.state = self.run(self.params, self.state, grads, self.lrs)
        return list(map(np.asarray, self.params))


def keras_on_numpy():
    """Keras, for float64."""
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    os.environ.setdefault("KERAS_HOME", str(Path(tempfile.gettempdir(), "keras-home-of-tests")))
    import keras
    from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE as narrowed

    keras.config.set_floatx("float64")
    narrowed["float64"] = "float64"  # as with TensorFlow; else it computes in float32, whatever it is given
    return keras


class Keras:
    """Keras's, on its NumPy backend: the code of its own optimisers, in float64."""

    def __init__(self, start, lrs, name, keywords):
        keras = keras_on_numpy()
        self.lrs = lrs
        self.params = [keras.Variable(p, dtype="float64") for p in start]
        self.opt = getattr(keras.optimizers, name)(learning_rate=lrs[0], **keywords)
        with warnings.catch_warnings():  # its variables do not know NumPy's copy= yet
            warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy", DeprecationWarning)
            self.opt.build(self.params)

    def step(self, grads, k):
        self.opt.learning_rate = self.lrs[k]
        self.opt.apply([g.copy() for g in grads], self.params)
        return [np.array(p.value) for p in self.params]


class Sklearn:
    """Those of scikit-learn's multi-layer perceptrons."""

    def __init__(self, start, lrs, name, keywords):
        from sklearn.neural_network import _stochastic_optimizers as optimizers

        self.params, self.lrs = [p.copy() for p in start], lrs
        self.opt = getattr(optimizers, name)(self.params, learning_rate_init=lrs[0], **keywords)

    def step(self, grads, k):
        self.opt.learning_rate = self.opt.learning_rate_init = self.lrs[k]
        self.opt.update_params(self.params, grads)
        return [p.copy() for p in self.params]


MAKERS = {"torch": Torch, "optax": Optax, "keras": Keras, "sklearn": Sklearn, "timm": Timm}
# Where a default lr stands: the module, the class if it is not the optimiser's, and its name there. optax has none.
DEFAULT_LR = {
    "torch": ("torch.optim", "", "lr"),
    "keras": ("keras.optimizers", "", "learning_rate"),
    "sklearn": ("sklearn.neural_network", "MLPClassifier", "learning_rate_init"),
}
