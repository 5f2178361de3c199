"""The optimiser object: what it is made of, and how it is taken apart and put together again."""

from types import MappingProxyType
from typing import Any

from ..arrays.nests import flatten
from ..distributed.ranks import ranks_of
from ..distributed.shared import shared
from ..errors import describe
from ..kernels.counts import T
from ..rules import Rule
from ..targets import target_of
from .attributes import NO_SCHEDULES, class_of
from .averages import Averaging, with_average
from .changes import with_changes
from .copies import parts_of, restored
from .groups import is_groups, roots_of
from .hyperparameters import hyper_of_groups
from .layout import Layout
from .options import Options, check_options
from .resuming import Resuming
from .together import PLACE, Together


class Optimizer(Together, Resuming, Averaging):
    """Step parameters in place by a rule.

    The constructors (:func:`fastopt.Adam` and the others) make one with their rule; use the class for your own.

    Its hyperparameters are attributes, to read and to assign: ``opt.lr = 1e-4``, ``opt.betas = (0.9, 0.99)``,
    ``opt.weight_decay``; so are ``maximize``, ``clip_value``, ``clip_norm`` and ``check_finite``. What is assigned is
    checked, and holds from the next step on. With groups, ``opt.lr = 1e-4`` sets it in all of them, and
    ``opt.groups[1].lr = 1e-4`` in one; reading raises AttributeError where they differ, as any unknown name does.

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
        Then scale all gradients together by min(1, clip_norm/(norm + 1e-6)), whatever the norm; on a GPU a scale below
        the smallest normal number of the dtype counts as zero.
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
        replay ``step``. Not with schedules, nor with ``check_finite``, which waits for the device. Hyperparameters are
        copied there when they are assigned, and a graph goes on with them, as it does after ``load_state_dict``;
        ``clip_norm`` stays what it was made with.
    before : function or tuple of functions, optional
        ``before(p, g) -> g`` of one element: what is done to each gradient, behind clipping (and the sign of
        ``maximize``) and before decay. A plain function that Numba can compile, or a Numba function; several are
        called one after the other. It is compiled into the step, and costs no pass over memory. A number written in
        it would make float32 arithmetic float64, and is refused for float32 arrays: write ``numpy.float32(0.5)``.
    after : function or tuple of functions, optional
        ``after(p, new, g) -> new``: what is done to each new parameter: p is the one before, g the gradient that the
        rule saw. ``lambda p, new, g: new if new > 0 else p - p`` keeps parameters from being negative.
    cautious : bool
        Whether elements that would go up the gradient stay, and the others go further by the ratio of all to those that
        go (Liang et al. 2024), before what ``after`` does. Not with rules that have sums of their own.
    comm : MPI communicator, optional
        Of mpi4py, or with the same buffer methods: its ranks make the same optimiser of the same parameters, and step
        together. See :mod:`fastopt.distributed`.
    ema : float or schedule, optional
        Keep an average of the parameters, in one more state array and in the same pass: after each step
        ema·average + (1 − ema)·params, after an array's first step params. A hyperparameter, at least 0 and less
        than 1: ``opt.ema``, in groups too. It looks back over about 1/(1 − ema) steps.
    average : "polyak", optional
        Keep the mean of the parameters after each step so far (Polyak and Juditsky 1992) instead.
    **hyper : float or schedule
        The rule's hyperparameters (``betas=(beta1, beta2)`` for that pair). A schedule is a callable
        ``step -> float``; the first update asks for step 0. Every rule also takes ``weight_decay``: L2 decay, which
        adds ``weight_decay * p`` to the gradient; in AdamW, Lion and with ``decoupled=True`` the rule's own, decoupled
        decay.

    Attributes
    ----------
    params : array or nest of arrays
        The parameters, in dicts, lists and tuples as those given; with groups, a list of each group's. They are what
        is stepped, also where another array was put into the given nest since; what is put into ``params`` is none.
    state : mapping
        From the name of each state array of the rule to arrays in the structure of ``params``; read-only. So are the
        numbers that a rule keeps from step to step, as arrays of no dimension; one for all where they are of all.
    averaged : array or nest of arrays
        The average of the parameters, in their structure: with ``ema``, ``average`` or a schedule-free rule. An array
        without a step equals its parameter as it was at the start. ``with opt.swapped():`` puts it into ``params``.
    groups : tuple of Group
        The hyperparameters of each group, as attributes; of the one there is without groups.
    t : int
        How many steps were applied; read-only. Schedules see t − 1.
    counts : int or nest of int
        How many of them each array took part in, in the structure of ``params``; read-only. An array whose gradient
        was None does not age: its bias correction goes by its own count.
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
    >>> opt.lr = 0.01  # from the next step on
    >>> opt.betas
    (0.9, 0.999)
    """

    # Slots, so that a name that means nothing is refused, at no cost to the step.
    __slots__ = ("__weakref__", "_target")

    # Among an optimiser's own, where the manual looks for them.
    step, swapped, averaged = Together.step, Averaging.swapped, Averaging.averaged
    state_dict, load_state_dict = Resuming.state_dict, Resuming.load_state_dict

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
        before=None,
        after=None,
        cautious=False,
        comm=None,
        ema=None,
        average=None,
        **hyper,
    ):
        options = Options(
            maximize, clip_value, clip_norm, check_finite, parallel, threads, device, capturable, before, after,
            cautious, comm,
        )  # fmt: skip
        self._ranks = ranks = ranks_of(comm)
        if ranks is None:
            self._build(params, rule, options, ema, average, hyper)
        else:
            ranks.agreed(PLACE, self._build, params, rule, options, ema, average, hyper)
            self._check_same()

    def _build(self, params, rule, options, ema, average, hyper):
        if not isinstance(rule, Rule):
            raise TypeError(f"rule must be a fastopt.Rule, got {describe(rule)}")
        changes = options.before, options.after, options.cautious
        check_options(options)
        self._grouped = is_groups(params)
        rule = with_changes(rule, *changes)
        rule, hyper = with_average(rule, params if self._grouped else None, hyper, ema, average)
        kind: Any = type(self)
        self.__class__ = class_of(kind, rule)
        self._rule = rule
        roots = roots_of(params)
        self._hyper = hyper_of_groups(rule, params if self._grouped else None, hyper)
        self._params: Any = list(roots.values()) if self._grouped else roots["params"]
        self._take_options(options)
        self._place(roots)
        self._state = MappingProxyType(self._layout.views())
        self._prepare()

    def _place(self, roots):
        """The parameters as kernels take them, where they are."""
        rule, options = self._rule, self._options
        target = target_of(leaf for where, root in roots.items() for leaf in flatten(root, where))
        self._target = target = target if self._ranks is None else shared(target, self._ranks)
        target.check_options(options)
        if options.capturable and any(mine.scheduled for mine in self._hyper):
            raise ValueError(NO_SCHEDULES)
        self._layout = Layout(target, self._params, roots, rule, self._hyper, options)
        self._layout.check_options(options)
        self._cells = self._layout.counts.cells
        self._steps = target.steps(rule, self._layout, options)
        apply = Optimizer._apply if self._ranks is None else Optimizer._apply_together
        self._general = target.within(apply)  # a plain function: a bound one would keep its object alive

    def _prepare(self):
        """Make ready what steps need."""
        self._hold_numbers()
        self._bind()
        if self._options.capturable:
            self._steps.count_from(self._cells[T], self._numbers(1, self._scale))
        self._hold_fast_path()

    def __reduce__(self):
        """Copies and pickles are made anew, of copied parameters; schedules must be picklable themselves."""
        return restored, (Optimizer, type(self).__base__, *parts_of(self))
