"""Optimisers for PyTorch's tensors: in the place of ``torch.optim``, one import changes.

>>> import torch
>>> from fastopt.torch import Adam  # was: from torch.optim import Adam
>>> _ = torch.manual_seed(0)  # schedulers stay those of torch.optim
>>> model = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
>>> opt = Adam(model.parameters(), lr=0.05)
>>> schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 300)
>>> x = torch.rand(64, 2)
>>> for _ in range(300):
...     opt.zero_grad()
...     loss = (model(x) - x[:, :1] * x[:, 1:]).square().mean()
...     loss.backward()
...     opt.step()
...     schedule.step()
>>> bool(loss < 3e-3)
True

Every rule of fastopt has a class here. Those with a name of ``torch.optim`` (SGD, Adam, AdamW, Adamax, Adagrad,
Adadelta, RMSprop, NAdam, RAdam, Rprop, ASGD) are that class with another ``step``: the same arguments, defaults and
groups, the same state, so that a ``state_dict`` of either is loaded by the other, in the midst of a training too.
Schedulers, hooks, closures, ``GradScaler``, ``add_param_group``, named parameters and ``torch.save`` work as they do
there. The others (Lion, AMSGrad, Momentum, Prodigy and so on) take the numbers of the rule in PyTorch's style, and
`class_of` makes a class of your own rule.

A step is one compiled call for all tensors of a group: the moments, the decay and the write of the parameter in one
pass, in place, without temporaries. Large tensors are shared by threads (``torch.get_num_threads()`` at most), small
ones dealt out; the result does not depend on their number. Tensors on a CUDA device are stepped there, on the current
stream, by a launch for each.

## One buffer: ``flat=True``

>>> model = torch.nn.Linear(2, 1)
>>> opt = Adam(model.parameters(), lr=0.02, flat=True)
>>> (model(x) - x[:, :1]).square().mean().backward()
>>> opt.step()
>>> opt.zero_grad()
>>> model.weight.grad
tensor([[0., 0.]])

lays parameters and gradients out in one buffer for each dtype, when the optimiser is made. Gradients are then views
that backward adds to, and ``zero_grad`` is one pass that fills them with zeros: a parameter that the loss does not use
sees 0, not None, so it decays and keeps its momentum; one that needs no gradient has None. Make the optimiser after
what moves or replaces the model's memory (``model.to``, ``model.double``, ``share_memory``): later moves are refused in
the next step, since a view of the old memory would be trained in silence. A ``.grad`` that was replaced is found where
it is. What that gives is gradients that stay where they are, all in one piece; a whole training loop is no faster than
with separate tensors. ``torch.save`` of one parameter alone writes its whole buffer: save the model's ``state_dict``.

## Rules with sums

LAMB, LARS, NovoGrad and StableAdamW look at a whole tensor before they step it; Prodigy, DAdaptAdam and DoG at all
parameters of all groups, with the numbers of the first group where those are meant for all. Tensors are summed and
stepped one after the other, with threads for large ones; nothing is written before everything is summed. On a CUDA
device a step waits for the sums, once for each group.

>>> from fastopt.torch import Prodigy
>>> opt = Prodigy(model.parameters())  # lr is a factor on a rate that it finds: leave it at 1
>>> (model(x) - x[:, :1] * x[:, 1:]).square().mean().backward()
>>> opt.step()
>>> opt.state[model.weight]["d"] == opt.state[model.bias]["d"] == 1e-6
True

What a rule keeps beside its tensors is in the state of each parameter, as floats (a tensor would be rounded to the
parameter's dtype by ``load_state_dict``): ``v`` of NovoGrad; of the last three the same in all: ``d`` and ``r``, or
``far`` and ``squares``, and in how many ``steps`` there was a gradient at all. States that disagree are refused.

## What is refused, and what means nothing

Refused in one sentence: sparse, complex and half precision parameters, sparse gradients, ``differentiable=True`` and
``capturable=True``, expanded parameters, the same one twice in a group (in the step; PyTorch warns, and steps it
twice). Parameters that do not lie in one piece of memory (``x[:, ::2]``) are stepped in a copy that is written back; a
gradient in another order of memory than its parameter's is copied. ``foreach`` and ``fused`` are accepted, and change
nothing: there is one way here, without the temporaries of the one, and fused as the other. With ``fused=True``, too, a
``GradScaler`` unscales the gradients itself. A gradient that is not finite spoils the parameter as it does there, but
not always the same way: after inf ``exp_avg`` is inf, where PyTorch's is NaN, and a NaN does not enter the maximum of
Adamax. PyTorch is told that a parameter was changed, and refuses to go backward through what was computed with it
before; ``torch.compile`` leaves the step as it is.
"""

import importlib.util

if importlib.util.find_spec("torch") is None:
    need = 'fastopt.torch needs the package torch: pip install "fastopt[torch]"'
    raise ModuleNotFoundError(need, name="torch")

from ..rules import RULES
from .classes import class_of

globals().update({rule.label: class_of(rule) for rule in RULES})

__all__ = ["class_of", *(rule.label for rule in RULES)]
