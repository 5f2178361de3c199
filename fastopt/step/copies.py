"""Copies and pickles of an optimiser: what it is made of again, which Python copies item by item."""

from ..arrays.libraries import is_numbas
from ..kernels.counts import SKIPPED
from ..rules.averages import inside
from ..rules.changes import origin
from ..rules.keywords import spelt
from ..targets.transfer import to_device, to_host
from .inside import counts_of, hyper_of, layout_of, options_of


def parts_of(opt) -> tuple:
    """The arguments of an optimiser, and its state."""
    options, params = options_of(opt), opt.params
    if options.capturable:
        raise TypeError(
            "opt must be made with capturable=False to be copied, got True: a graph would step the original"
        )
    if options.comm is not None:
        raise TypeError("opt must be made without comm to be copied, got one of several ranks: fastopt.save writes it")
    on_gpu = all(map(is_numbas, layout_of(opt).given))
    if on_gpu:  # Numba's own arrays there cannot be pickled
        params = to_host(params)
    hyper = [spelt(group.values) for group in hyper_of(opt)]
    rule, average = inside(opt.rule)
    given = options._asdict() | ({"average": average} if average == "polyak" else {})  # "ema" is in hyper
    return params, on_gpu, origin(rule), given, hyper, opt.state_dict(), opt.skipped


def keywords_of(params, on_gpu, rule, given, hyper, saved) -> dict:
    """What the constructor is called with to make the same optimiser."""
    params = to_device(params) if on_gpu else params
    if isinstance(saved["hyper"], list):
        return {"params": [{"params": p, **own} for p, own in zip(params, hyper)], "rule": rule, **given}
    return {"params": params, "rule": rule, **given, **hyper[0]}


def restored(base, kind, params, on_gpu, rule, given, hyper, saved, skipped):
    """The optimiser that ``parts_of`` took apart: of this class, made as its base is."""
    opt = kind.__new__(kind)
    base.__init__(opt, **keywords_of(params, on_gpu, rule, given, hyper, saved))
    opt.load_state_dict(saved)
    counts_of(opt).cells[SKIPPED] = skipped
    return opt
