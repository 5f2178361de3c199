"""Save an optimiser with its parameters to a file, and load it back to the bit: NumPy's .npz format, no pickle."""

import json

import numpy as np

from ..arrays.nests import flatten
from ..distributed.ranks import agreed, number_of
from ..distributed.signals import postponed
from ..errors import describe, listing
from .archive import Archive, checksum
from .held import undisturbed
from .inside import counts_of, layout_of, load_all, numbers_of, target_of
from .matching import matched, places_of
from .optimizer import Optimizer
from .replacing import checked_path, replacing, shown
from .state_dict import check_rule

# The first has names instead of paths, and no sums; in the first two a rule may lack hyperparameters that came later.
FORMATS = ("fastopt checkpoint 1", "fastopt checkpoint 2", "fastopt checkpoint 3")

SAVE, LOAD = "fastopt.save", "fastopt.load"  # where ranks meet


def save(path, opt) -> None:
    """Write parameters, state, step counts and numeric hyperparameters to a file.

    The file appears whole or not at all: it is written beside ``path`` and then renamed, so a crash leaves an older
    file as it was; what a killed process left there, the next save of that file removes. A symbolic link is followed,
    and an older file's mode kept. Schedules are functions and are not saved, but for the state of plateaus; give
    them again to the optimiser that loads.

    With ``comm`` all ranks must call it. Rank 0, which is sent the whole state for it, writes the one file; any number
    of ranks can load that, and an optimiser without ``comm``.

    Parameters
    ----------
    path : str or path
        The file's name, used as it is (no ending is added).
    opt : Optimizer
        The optimiser to save, with the parameters it holds. Keys of its nests that are no strings or numbers are told
        apart by their ``repr``.

    Raises
    ------
    TypeError, ValueError
        If ``opt`` is not an Optimizer, ``path`` not the name of a file, or if two keys have one ``repr``.
    OSError
        If the file cannot be written.
    RuntimeError
        If the optimiser is being stepped: by another thread, or by what a signal interrupted whose handler saves.

    Examples
    --------
    >>> import numpy as np, fastopt, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "run.npz")
    >>> x = np.ones(3)
    >>> opt = fastopt.Adam(x); opt.step(x.copy())
    >>> fastopt.save(path, opt)
    >>> y = np.zeros(3)
    >>> other = fastopt.Adam(y); fastopt.load(path, other)
    >>> bool((y == x).all()), other.t
    (True, 1)
    """
    _check(opt)
    ranks, layout = target_of(opt).ranks, layout_of(opt)
    path, places = agreed(ranks, SAVE, lambda: (checked_path(path), places_of(layout)))
    if ranks is None:
        _write(path, places, opt, layout.whole_state)
        return
    with postponed():
        state = {slot: layout.whole_state(slot) for slot in layout.slots}
    write = _write if ranks.rank == 0 else _leave
    ranks.agreed(SAVE, write, path, places, opt, state.__getitem__)


def _leave(path, places, opt, state_of):
    """To rank 0, which writes for all."""


def _write(path, places, opt, state_of):
    """The file, with the arrays of each slot of the state."""
    layout = layout_of(opt)
    with replacing(path) as file, undisturbed(counts_of(opt).cells):
        numbers = numbers_of(opt)
        header = {"format": FORMATS[-1], **{key: numbers[key] for key in ("rule", "t", "hyper")}, "paths": places}
        header["state"] = list(layout.slots)
        arrays = {f"params/{i}": a for i, a in enumerate(layout.host_leaves())}
        for slot in layout.slots:
            arrays |= {f"state/{slot}/{i}": a for i, a in enumerate(state_of(slot))}
        header["counts"] = [count for _, count in flatten(numbers["counts"], "")]
        header["sums"] = {member: checksum(a) for member, a in arrays.items()}
        np.savez(file, allow_pickle=False, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)


def load(path, opt) -> None:
    """Load what :func:`save` wrote into an optimiser of the same rule and parameters, in place.

    Numeric hyperparameters take the file's values; a hyperparameter that is a schedule in ``opt`` stays a schedule.
    With ``comm`` all ranks must call it, and each must be able to read the file.

    Parameters
    ----------
    path : str or path
        The file that :func:`save` wrote.
    opt : Optimizer
        Made with the same rule, and with parameters of the same keys (in any order), shapes and dtypes. These and the
        state are overwritten.

    Raises
    ------
    OSError
        If the file cannot be read.
    TypeError, ValueError
        If the file is not a checkpoint, is damaged (the message names the array), or does not fit ``opt``, or if its
        arrays are read-only. Nothing is changed then.

    Examples
    --------
    >>> import numpy as np, fastopt, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "run.npz")
    >>> fastopt.save(path, fastopt.SGD({"w": np.full(2, 0.5)}, lr=0.1))
    >>> params = {"w": np.zeros(2)}
    >>> fastopt.load(path, fastopt.SGD(params))
    >>> params["w"]
    array([0.5, 0.5])
    """
    _check(opt)
    ranks = target_of(opt).ranks
    d, params, seen = agreed(ranks, LOAD, _opened, path, opt)
    if ranks is not None:
        ranks.same(LOAD, {"the file": f"one with the checksum {number_of(seen):x}"})
    load_all(opt, d, params)


def _opened(path, opt) -> tuple[dict, list, str]:
    """The state dict in a checkpoint, its parameters, and what tells the file from others."""
    path = checked_path(path)
    with open(path, "rb") as file:
        found = _read(Archive(file, shown(path)), opt, shown(path))
    layout_of(opt).check_writable()
    return found


def _check(opt):
    if not isinstance(opt, Optimizer):
        raise TypeError(f"opt must be a fastopt.Optimizer, got {describe(opt)}")


def _read(archive, opt, path) -> tuple[dict, list, str]:
    """The same, with the parameters in the order of the optimiser's."""
    header, layout = _header(archive, path, opt.rule), layout_of(opt)
    places, sums = matched(layout, header, path), header.get("sums", {})

    def read(what, member, likes, places=places):
        members = [f"{member}/{i}" for i in places]
        named = zip(layout.names, members, likes)
        return [archive.array(what + name, member, like, sums.get(member)) for name, member, like in named]

    params = read("", "params", layout.leaves)
    check_rule(f"the rule in {path}", header["rule"], opt.rule)
    if header["state"] != list(layout.slots):
        got = listing(header["state"]) if isinstance(header["state"], list) else describe(header["state"])
        raise ValueError(f"{path} must hold the state {listing(layout.slots)}, got {got}")
    state = {}
    for slot in layout.slots:
        there = [0] if layout.is_shared(slot) else places
        whole = read(f"{slot!r} of ", f"state/{slot}", layout.whole_likes(slot), there)
        state[slot] = layout.like_state(slot, layout.own_state(slot, whole))
    d = {key: header[key] for key in ("rule", "t", "hyper")} | {"state": state}
    if "counts" in header:
        d["counts"] = layout.nest([header["counts"][i] for i in places])
    return d, params, repr(header)


def _header(archive, path, rule) -> dict:
    """What is in the file beside arrays, of the right kinds."""
    text = archive.text("header")
    try:
        header = json.loads(text)
        known = header.get("format")
    except (ValueError, AttributeError, RecursionError) as error:
        raise archive.foreign() from error
    if known not in FORMATS:
        raise ValueError(f"{path} must have the format {FORMATS[-1]!r}, got {describe(known)}")
    names, later = ("names", ()) if known == FORMATS[0] else ("paths", ("counts", "sums"))
    needed = ("rule", "t", "hyper", "state", names, *later)
    missing = next((key for key in needed if key not in header), None)
    if missing is not None:
        raise ValueError(f"{path} must hold {missing!r}, got a file without it")
    header = {key: header[key] for key in (*needed, "counts") if key in header}
    if not _fits_together(header, names):
        raise archive.foreign()
    if known != FORMATS[-1]:
        header["hyper"] = _completed(rule, header["hyper"])
    return header


def _completed(rule, hyper):
    """Numbers that the rule did not have when the file was written are what they are by default."""
    groups = hyper if isinstance(hyper, list) else [hyper]
    groups = [{**rule.hyper, **own} if isinstance(own, dict) else own for own in groups]
    return groups if isinstance(hyper, list) else groups[0]


def _fits_together(header, names) -> bool:
    """Whether there is a path, or a name, and a count of each parameter, and sums are by member."""
    places = header[names]
    if not isinstance(places, list) or not isinstance(header.get("sums", {}), dict):
        return False
    fits = _is_path if names == "paths" else _is_name
    counts = header.get("counts", places)  # files from before there were any
    return all(map(fits, places)) and isinstance(counts, list) and len(counts) == len(places)


def _is_path(place) -> bool:
    return isinstance(place, list) and {type(step) for step in place} <= {str, int}


def _is_name(place) -> bool:
    return isinstance(place, str)
