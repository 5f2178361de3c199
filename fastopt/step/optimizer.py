"""The optimiser object: parameters, state and hyperparameters, and a step in place."""

import math
from types import MappingProxyType

import numpy as np

from ..arrays.device import first_on_device, require
from ..arrays.host import order_of
from ..errors import describe
from ..kernels import norms
from ..rules import Rule
from .groups import is_groups, roots_of
from .hyperparameters import Hyper
from .layout import Blocks
from .options import check_options
from .state_dict import hyper_of


class Optimizer:
    """Step parameters in place by a rule.

    The constructors (:func:`fastopt.Adam` and the others) make one with their rule; use the class for your own.

    Parameters
    ----------
    params : array, or sequence or mapping of arrays (nested too), or list of groups
        float32 or float64, C- or Fortran-contiguous, writable, not overlapping. They are updated in place. A list
        in which every item is a mapping with the key "params" makes groups, each with hyperparameters of its own.
    rule : Rule
        The update rule.
    maximize : bool
        Whether to ascend instead of descend.
    clip_value : float, optional
        Clip every element of the raw gradient to the range ±clip_value.
    clip_norm : float, optional
        Then scale all gradients together by min(1, clip_norm/(norm + 1e-6)); a scale below the smallest normal number
        counts as zero.
    check_finite : bool or "skip"
        What to do with a gradient that has NaN or infinity in it: True raises ValueError and changes nothing; "skip"
        leaves that step out and counts it in ``skipped``; False lets it through, as NumPy would.
    parallel : bool, optional
        Whether to use several threads. By default an array gets them if it is large enough for that to pay. The result
        is the same to the bit.
    threads : int, optional
        The most threads to use; by default as many as Numba does.
    device : "cpu" or "cuda", optional
        Where the arrays must be; raises if they are not, and moves nothing.
    capturable : bool
        On a GPU, whether to keep the step count and the coefficients on the device, so that a captured CUDA graph can
        replay ``step``. Not with schedules, nor with ``check_finite``, which waits for the device. After
        ``load_state_dict`` a graph goes on from what was loaded; it must be captured again only if that switched
        ``weight_decay`` on or off.
    **hyper : float or schedule
        The rule's hyperparameters (``betas=(beta1, beta2)`` for that pair). A schedule is a callable
        ``step -> float``; the first update asks for step 0. Every rule also takes ``weight_decay``: L2 decay, which
        adds ``weight_decay * p`` to the gradient; in AdamW and Lion the rule's own, decoupled decay.

    Attributes
    ----------
    params : array or nest of arrays
        The parameters, as given; with groups, a list of each group's.
    state : mapping
        From the name of each state array of the rule to arrays in the structure of ``params``; read-only.
    t : int
        How many steps were applied.
    skipped : int
        How many steps ``check_finite="skip"`` left out.

    Raises
    ------
    TypeError
        Wrong kind, dtype, structure or keyword.
    ValueError
        Wrong shape, layout, alignment, byte order, overlap, range, or a read-only parameter.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> x = np.array([1.0, 2.0])
    >>> opt = fastopt.Adam(x, lr=0.1)
    >>> for _ in range(100):
    ...     opt.step(2 * x)
    >>> bool(np.all(np.abs(x) < 0.1)), opt.t
    (True, 100)
    """

    _on_gpu = False

    def __new__(cls, params=(), *args, **kwargs):
        if cls is Optimizer:
            names = (first_on_device(root, name) for name, root in roots_of(params).items())
            found = next(filter(None, names), None)
            if found:
                require(f"{found}, on the GPU,")
                from .device_optimizer import DeviceOptimizer

                cls = DeviceOptimizer
        return super().__new__(cls)

    def __init__(
        self,
        params,
        rule,
        *,
        maximize=False,
        clip_value=None,
        clip_norm=None,
        check_finite=False,
        parallel=None,
        threads=None,
        device=None,
        capturable=False,
        **hyper,
    ):
        if not isinstance(rule, Rule):
            raise TypeError(f"rule must be a fastopt.Rule, got {describe(rule)}")
        check_options(maximize, clip_value, clip_norm, check_finite, parallel, threads, device, capturable)
        self.rule, self.t, self.skipped = rule, 0, 0
        self._grouped = is_groups(params)
        roots = roots_of(params)
        if self._grouped:
            own = [{name: value for name, value in group.items() if name != "params"} for group in params]
            self._hyper = [Hyper(rule, {**hyper, **mine}, f"group {i}") for i, mine in enumerate(own)]
        else:
            self._hyper = [Hyper(rule, hyper, rule.label or rule.name)]
        self.params = list(roots.values()) if self._grouped else params
        self._clip_value, self._clip_norm = clip_value, clip_norm
        self._sign = -1.0 if maximize else 1.0
        self._check_finite, self._threads, self._capturable = check_finite, threads, capturable
        clipped = clip_value is not None or clip_norm is not None
        self._stages = maximize or clipped
        self._staged = self._needs_stage()
        starts = [h.start for h in self._hyper]
        self._blocks: Blocks = self._place(roots, starts, parallel, threads, device)
        self.state = MappingProxyType({slot: self._blocks.views(k) for k, slot in enumerate(rule.state)})
        self._prepare()

    def _place(self, roots, starts, parallel, threads, device):
        """The parameters as blocks, where they are."""
        if device == "cuda":
            require("device='cuda'")
            raise TypeError(
                "params must be on the GPU with device='cuda', got NumPy arrays: fastopt.to_device moves them"
            )
        if self._capturable:
            raise ValueError("capturable must be False for NumPy arrays, got True: CUDA graphs replay steps on a GPU")
        return Blocks(self.params, roots, self.rule, starts, self._staged, parallel, threads)

    def _prepare(self):
        """Make ready what steps need."""
        self._lanes = None
        if self._clip_norm is not None or self._check_finite:
            self._lanes = norms.workspace(max(block.p.size for block in self._blocks.all))
        self._hold_fast_path()

    def _needs_stage(self):
        return self._stages or any(h.decays() for h in self._hyper)

    def _hold_fast_path(self):
        """Hold what the step of a single array needs, where nothing has to be done to its gradient."""
        block, leaf = self._blocks.all[0], self._blocks.leaves[0]
        plain = leaf is self.params and not self._staged and not self._check_finite
        self._kind = np.ndarray if plain else None
        self._leaf, self._shape, self._c_order = leaf, leaf.shape, order_of(leaf) == "C"
        self._run, self._p, self._state = block.run, block.p, block.state
        self._h = None if self._hyper[0].scheduled else self._hyper[0].at(1)

    def step(self, grads) -> None:
        """Apply one update.

        Parameters
        ----------
        grads : array or nest of arrays
            In the structure of ``params``, with the same shapes, dtypes and memory orders; never written. None skips
            that array. With groups, a list with one structure per group.

        Raises
        ------
        TypeError, ValueError
            If a gradient does not fit, or is not finite with ``check_finite=True``. Nothing is changed then.
        """
        # The kernel refuses by a code or by TypeError what is not tested here; the way below explains, or copes.
        if type(grads) is self._kind and grads.shape == self._shape and self._leaf.flags.writeable:
            g = grads
            if len(self._shape) != 1:
                flags = g.flags
                if flags.c_contiguous if self._c_order else flags.f_contiguous:
                    g = g.reshape(-1, order="C" if self._c_order else "F")
            t = self.t + 1
            try:
                refused = self._run(self._p, g, self._state, t, self._h or self._hyper[0].at(t))
            except TypeError:
                refused = True
            if not refused:
                self.t = t
                return
        self._apply(self._blocks.pieces(grads), grads)

    def _apply(self, pieces, grads):
        if not pieces:
            return
        scale = self._sign
        if self._lanes is not None:
            clip = self._clip(pieces, grads)
            if clip is None:
                self.skipped += 1
                return
            scale *= clip
        t = self.t + 1
        h = [self._numbers(hyper, t, scale) for hyper in self._hyper]
        for block, p, g, state in pieces:
            refused = block.run(p, g, state, t, h[block.group])
            if refused:
                raise AssertionError(f"a checked gradient was refused with code {refused}: please report this")
        self.t = t

    def _numbers(self, hyper, t, scale):
        """What the kernels take for step t: the hyperparameters, and those of the stage."""
        if not self._staged:
            return hyper.at(t)
        bound = math.inf if self._clip_value is None else float(self._clip_value)
        return (*hyper.at(t), bound, scale, hyper.decay(t))

    def _clip(self, pieces, grads):
        """The factor of ``clip_norm``, or None if the step is to be skipped; raises if it is to be refused."""
        gradients = [g for _, _, g, _ in pieces]
        if self._check_finite and not norms.all_finite(gradients, self._lanes, self._threads):
            if self._check_finite == "skip":
                return None
            self._refuse_not_finite(grads)
        if self._clip_norm is None:
            return 1.0
        bound = math.inf if self._clip_value is None else float(self._clip_value)
        factor = self._clip_norm / (norms.norm(gradients, self._lanes, bound, self._threads) + 1e-6)
        return 1.0 if factor > 1.0 else factor  # NaN stays NaN

    def _refuse_not_finite(self, grads):
        raise ValueError(f"grads must be finite, got NaN or Inf in {self._blocks.first_not_finite(grads)}")

    # --- state -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict:
        """Everything but the parameters, as copies: ``{"rule", "t", "hyper", "state"}``.

        "hyper" maps the names of the hyperparameters to numbers; with groups it is a list of such mappings. Schedules
        are functions and cannot be kept: their entry is None.
        """
        hyper = [h.numbers() for h in self._hyper]
        return {
            "rule": self.rule.name,
            "t": self.t,
            "hyper": hyper if self._grouped else hyper[0],
            "state": {slot: self._blocks.copies(k) for k, slot in enumerate(self.rule.state)},
        }

    def load_state_dict(self, d) -> None:
        """Restore what ``state_dict()`` returned, bit for bit; arrays are copied in place.

        Raises
        ------
        TypeError, ValueError
            If the rule, the structure, a dtype or a shape differs, or if a hyperparameter was a schedule there and is
            not one here. Nothing is changed then.
        """
        hyper = hyper_of(d, self.rule, self._hyper, self._grouped)
        self._blocks.load_state(self.rule.state, d["state"])
        for mine, numbers in zip(self._hyper, hyper):
            mine.take_numbers(numbers)
        self.t = d["t"]
        if self._needs_stage() != self._staged:  # a weight decay came or went
            self._staged = not self._staged
            self._blocks.bind(self._staged)
        self._prepare()

    def __repr__(self):
        n, size = len(self._blocks.leaves), sum(leaf.size for leaf in self._blocks.leaves)
        hyper = self._hyper[0] if not self._grouped else f"{len(self._hyper)} groups"
        what = f"{n} array{'s' if n > 1 else ''}, {size} parameter{'s' if size != 1 else ''}"
        return f"<{self.rule.label or self.rule.name}({hyper}) on {what}, t={self.t}>"
