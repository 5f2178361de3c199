"""What every optimiser here does in the place of PyTorch's: the step, ``zero_grad``, groups and copies."""

from operator import is_
from typing import Any

import torch
from torch.optim import optimizer as torchs

from ..errors import describe
from .checks import check_parameter, name_of
from .compiler import not_compiled
from .flat import clear, laid_out
from .kinds import part_of
from .names import spelled
from .sums import take_sums


class Stepping(torch.optim.Optimizer):
    """Mixed in before an optimiser of PyTorch's, which is asked for its options, and steps nothing itself.

    Attributes
    ----------
    rule : the rule of this class
    flat : whether parameters and gradients lie in one buffer for each dtype
    """

    rule: Any
    flat = False
    _parts: Any = None  # made where a step finds other tensors than before
    _known: Any = None  # what they were made of
    _homes: dict = {}  # noqa: RUF012  # of a flat optimiser: where each parameter must be, and its gradient
    _is_made = False
    _stepped = False  # a step is under way
    _again = False

    # --- steps ------------------------------------------------------------------------------------------------------

    def step(self, closure=None):
        """Perform a single optimization step.

        Parameters
        ----------
        closure : callable, optional
            Evaluates the model again, and returns the loss, which is returned then.

        Raises
        ------
        RuntimeError
            If a parameter or gradient cannot be stepped: sparse, not on the CPU or a CUDA device, changed since the
            gradient was computed. Nothing is changed then.
        """
        if (
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or torchs._global_optimizer_pre_hooks
            or torchs._global_optimizer_post_hooks
            or torch._C._autograd._profiler_enabled()
        ):
            return self._hooked_step() if closure is None else self._hooked_step(closure)
        return self._bare_step(closure)

    step.hooked = True  # type: ignore[attr-defined]  # PyTorch would wrap it, and each step would cost 8 µs more
    not_compiled(step)

    def _bare_step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self._stepped:
            raise RuntimeError("an optimiser must be stepped by one thread at a time, got a step while another is on")
        self._stepped = True
        try:
            if not self._is_known():
                self._take_parts()
            self._look()
            for part in self._parts:
                part.run()
        finally:
            self._stepped = False
        return loss

    _hooked_step = torchs.Optimizer.profile_hook_step(_bare_step)

    # --- what is looked at before anything is written ---------------------------------------------------------------

    def _look(self):
        """Find all tensors and numbers."""
        try:
            if all(part.read() for part in self._parts):
                asking = [part for part in self._parts if part.look()]
                return self._settle(asking) if asking else None
        except KeyError:  # something was taken out of a state, or out of a group
            if self._again:
                raise
        self._take_parts()
        self._again = True
        return self._look()

    def _settle(self, asking):
        """Make the states that are missing, and look at the tensors that compiled code cannot tell of."""
        for part in asking:
            part.check()
        if any(part.moved() for part in asking):
            self._take_parts()
            return self._look()
        made = [one for part in asking for one in part.make_states()]
        try:
            if made:
                self._take_parts({p for p, _ in made})
                asking = [part for part in self._parts if part.read() and part.look()]
            for part in asking:
                part.settle()
            if any(part.spelled.rule.reduces for part in asking):
                take_sums(self._parts)
        except BaseException:
            for p, names in made:
                for name in names:
                    del self.state[p][name]
            self._parts = None
            raise
        return None

    def _is_known(self) -> bool:
        """Whether groups, parameters and states are those that the parts were made of."""
        if self._parts is None:
            return False
        groups, state, states = self._known
        if state is not self.state or len(groups) != len(self.param_groups) or len(states) != len(state):
            return False
        for (group, params), now in zip(groups, self.param_groups):
            if group is not now or len(params) != len(now["params"]) or not all(map(is_, params, now["params"])):
                return False
        return all(map(is_, states, state.values()))

    def _take_parts(self, fresh=frozenset()):
        """Part the tensors by group, dtype and device. ``fresh``: those whose state was made for this step."""
        self._again = False
        self._parts = [part for k, group in enumerate(self.param_groups) for part in self._parts_of(k, group, fresh)]
        groups = [(group, list(group["params"])) for group in self.param_groups]
        self._known = groups, self.state, list(self.state.values())

    def _parts_of(self, k, group, fresh):
        if len({*map(id, group["params"])}) < len(group["params"]):  # PyTorch warns when it is made, and steps it twice
            raise ValueError(f"param_groups[{k}] must have each parameter once, got one twice")
        kinds: dict = {}
        for i, p in enumerate(group["params"]):
            kinds.setdefault((p.dtype, p.device), []).append(i)
        for (_, device), here in kinds.items():
            params = [group["params"][i] for i in here]
            names = [name_of(k, group, i) for i in here]
            for name, p in zip(names, params):
                check_parameter(name, p)
            places = [self._homes[p].address if p in self._homes else 0 for p in params]
            kind = part_of(device, spelled(self.rule, group, self.defaults).rule)
            yield kind(self, group, names, params, places, fresh)

    # --- groups -----------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group):
        """Add a group, as PyTorch's does; with ``flat=True`` its tensors are laid out, too."""
        super().add_param_group(param_group)
        try:
            self._check_group(len(self.param_groups) - 1, param_group)
            if self._is_made:
                self._lay_out()
        except BaseException:
            self.param_groups.pop()
            raise

    def _check_group(self, k, group):
        for option, instead in (("differentiable", "can be differentiated"), ("capturable", "can be captured")):
            if group.get(option):
                raise ValueError(f"{option} must be False, got True: torch.optim's optimisers {instead}")
        for i, p in enumerate(group["params"]):
            check_parameter(name_of(k, group, i), p)

    # --- one buffer -------------------------------------------------------------------------------------------------

    def _begin(self, flat):
        """What a constructor does at its end."""
        if not isinstance(flat, bool):
            raise TypeError(f"flat must be True or False, got {describe(flat)}")
        self.__dict__.pop("_step_supports_amp_scaling", None)  # with fused=True, too, a GradScaler unscales by itself
        self.flat, self._is_made = flat, True
        self._lay_out()

    def _lay_out(self):
        """Lay out what is not yet."""
        if self.flat:
            named = [
                (name_of(k, group, i), p)
                for k, group in enumerate(self.param_groups)
                for i, p in enumerate(group["params"])
                if p not in self._homes
            ]
            self._homes = self._homes | laid_out(named)
            self._parts = None

    def zero_grad(self, set_to_none=None):
        """Reset the gradients of all parameters.

        Parameters
        ----------
        set_to_none : bool, optional
            Whether to set them to None instead of zero: by default True, as in PyTorch; with ``flat=True`` they are
            always filled with zeros, so that a parameter which the loss does not use sees a gradient of 0, not None.

        Raises
        ------
        ValueError
            For ``set_to_none=True`` with ``flat=True``: the gradients are views of one buffer.
        """
        if self.flat:
            if set_to_none:
                raise ValueError(
                    "set_to_none must be False with flat=True, got True: gradients are views of one buffer"
                )
            clear(self._homes)
        elif set_to_none is False or torch._C._autograd._profiler_enabled():
            super().zero_grad(set_to_none is not False)
        else:
            for group in self.param_groups:
                for p in group["params"]:
                    p.grad = None

    # --- copies -----------------------------------------------------------------------------------------------------

    def __getstate__(self):
        return {**super().__getstate__(), "flat": self.flat}

    def __copy__(self):
        copied = type(self).__new__(type(self))
        copied.__setstate__(super().__getstate__())  # which says nothing of flat: the parameters are the same
        copied.flat, copied._homes = self.flat, self._homes
        return copied

    def __setstate__(self, state):
        super().__setstate__(state)
        self._parts, self._is_made = None, True
        if "flat" in state:  # a copy, whose parameters are copies that lie apart
            self._homes = {}
            self._lay_out()
