"""Save an optimiser with its parameters to a file, and load it back to the bit: NumPy's .npz format, no pickle."""

import json
import os
import threading
from pathlib import Path

import numpy as np

from ..arrays.nests import flatten
from ..arrays.placed import check_like
from ..errors import describe, shorten
from .inside import layout_of, load_all
from .optimizer import Optimizer

FORMAT = "fastopt checkpoint 1"


def save(path, opt) -> None:
    """Write parameters, state, step counts and numeric hyperparameters to a file.

    The file appears whole or not at all: it is written beside ``path`` and then renamed, so a crash leaves an older
    file as it was. Schedules are functions and are not saved, but for the state of plateaus; give
    them again to the optimiser that loads.

    Parameters
    ----------
    path : str or path
        The file's name, used as it is (no ending is added).
    opt : Optimizer
        The optimiser to save, with the parameters it holds.

    Raises
    ------
    TypeError
        If ``opt`` is not an Optimizer.
    OSError
        If the file cannot be written.

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
    saved = opt.state_dict()
    names, params = layout_of(opt).names, layout_of(opt).host_leaves()
    header = {"format": FORMAT, **{key: saved[key] for key in ("rule", "t", "hyper")}, "names": names}
    header["state"] = list(opt.rule.state)
    header["counts"] = [count for _, count in flatten(saved["counts"], "")]
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    arrays |= {f"params/{i}": a for i, a in enumerate(params)}
    for slot, nest in saved["state"].items():
        arrays |= {f"state/{slot}/{i}": a for i, (_, a) in enumerate(flatten(nest, ""))}
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with open(temporary, "xb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(path, opt) -> None:
    """Load what :func:`save` wrote into an optimiser of the same rule and parameters, in place.

    Numeric hyperparameters take the file's values; a hyperparameter that is a schedule in ``opt`` stays a schedule.

    Parameters
    ----------
    path : str or path
        The file that :func:`save` wrote.
    opt : Optimizer
        Made with the same rule, and with parameters of the same names, shapes and dtypes. These and the state are
        overwritten.

    Raises
    ------
    OSError
        If the file cannot be read.
    TypeError, ValueError
        If the file is not a checkpoint, is damaged, or does not fit ``opt``. Nothing is changed then.

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
    with open(path, "rb") as file:
        header, arrays = _read(path, file)
    layout = layout_of(opt)
    names = layout.names
    if header["names"] != names:
        theirs = next((n for n in header["names"] if n not in names), "them in another order")
        wanted = shorten(", ".join(names), 100)
        raise ValueError(f"{path} must hold the parameters {wanted}, got {shorten(str(theirs), 60)}")
    params = [arrays[f"params/{i}"] for i in range(len(names))]
    for name, mine, a in zip(names, layout.leaves, params):
        check_like(f"{name} in {path}", a, mine)
    state = {slot: layout.nest([arrays[f"state/{slot}/{i}"] for i in range(len(names))]) for slot in header["state"]}
    counts = {"counts": layout.nest(header["counts"])} if "counts" in header else {}
    load_all(opt, {key: header[key] for key in ("rule", "t", "hyper")} | counts | {"state": state}, params)


def _check(opt):
    if not isinstance(opt, Optimizer):
        raise TypeError(f"opt must be a fastopt.Optimizer, got {describe(opt)}")


def _read(path, file):
    """The header and the arrays of a checkpoint, which are all there."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays["header"].tobytes())
        known = header.get("format")
    except Exception as error:  # zip, NumPy and JSON have many ways to say that a file is damaged
        raise ValueError(f"{path} must be a file that fastopt.save wrote, got one that cannot be read") from error
    if known != FORMAT:
        raise ValueError(f"{path} must have the format {FORMAT!r}, got {describe(known)}")
    missing = [key for key in ("rule", "t", "hyper") if key not in header]
    missing += [key for key in ("names", "state") if not isinstance(header.get(key), list)]
    if not missing:
        counts = header.get("counts", header["names"])  # files from before there were counts
        missing += [] if isinstance(counts, list) and len(counts) == len(header["names"]) else ["a count of each"]
        for i, name in enumerate(header["names"]):
            missing += [name] if f"params/{i}" not in arrays else []
            missing += [f"{slot} of {name}" for slot in header["state"] if f"state/{slot}/{i}" not in arrays]
    if missing:
        raise ValueError(f"{path} must hold {shorten(str(missing[0]), 60)}, got a file without it")
    return header, arrays
