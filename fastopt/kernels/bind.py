"""From plain Python functions to compiled, disk-cached kernels.

Numba's cache finds a kernel again by its file, its qualified name and its bytecode. A closure over a compiled rule
never hits it, so a rule is bound as a *global*: the template's code object with other globals. What the cache does not
look at (functions in other files, options) goes into the name, as a digest.
"""

import re
from functools import wraps
from types import FunctionType
from weakref import WeakKeyDictionary

from numba import config, njit
from numba.core.errors import NumbaError

from ..errors import shorten
from ..linking import globals_in, is_stand_in, link, link_read
from ..numbers.overloaded import OVERLOADED
from . import symbols  # noqa: F401
from .digest import digest
from .drafts import Drafting, DraftingCold
from .kept import kept

# Strict IEEE arithmetic: fastmath would delete NaN tests, and reassociation would part serial from parallel.
# The default error model blocks the vectorisation of every loop with a division.
OPTIONS = {"error_model": "numpy"}

# What compiled code alone calls has no entry from Python or C, which would cost a third of its compilation.
WITHOUT_ENTRY = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
INSIDE = OPTIONS | WITHOUT_ENTRY | {"pipeline_class": Drafting}


def link_throughout(function, hot=(), cold=(), /, **names):
    """The function with other globals where it, or a helper of its in the same file, reads them.

    The helpers are compiled each once, and called, where ``compiled`` alone would put a copy of each into every
    caller; but for those that are named as hot. Those named as cold are made small.
    """
    made: dict = {}

    def helper(one):
        if one not in made:
            options = INSIDE | {"pipeline_class": DraftingCold} if one.__name__ in cold else INSIDE
            made[one] = njit(**options, forceinline=one.__name__ in hot)(inner(linked(one)))
        return made[one]

    def linked(one):
        own = {
            name: f for name, f in helpers_of(one).items() if f.__module__ == function.__module__ and name not in names
        }
        return link_read(one, **{name: helper(f) for name, f in own.items()}, **names)

    return linked(function)


def is_plain(value):
    return isinstance(value, FunctionType) and value not in OVERLOADED and not config.DISABLE_JIT


def helpers_of(function):
    """The plain functions among the globals that a function reads, by name."""
    values = {name: function.__globals__.get(name) for name in globals_in(function)}
    return {name: value for name, value in values.items() if is_plain(value)}


def check(function, callers=()):
    """Refuse what cannot be compiled, or would be compiled to nonsense, in a function and in those that it calls."""
    for name in globals_in(function):
        if is_stand_in(function.__globals__.get(name)):
            raise TypeError(f"{name} must be bound into {function.__name__} before it is compiled, got its stand-in")
    for name, value in helpers_of(function).items():
        if value in callers:
            raise TypeError(f"{name} must not call itself: only a Numba function with a signature can")
        check(value, (*callers, value))


def once_each(make):
    """``functools.cache`` of one function, without keeping it: every objective brings functions of its own."""
    made: WeakKeyDictionary = WeakKeyDictionary()

    @wraps(make)
    def once(function):
        if function not in made:
            made[function] = make(function)
        return made[function]

    return once


@once_each
def jitted(function):
    """The function compiled for whatever it is called with."""
    check(function)
    return njit(**OPTIONS)(inner(function))


@once_each
def callee(function):
    """The same, for other compiled code alone."""
    check(function)
    return njit(**INSIDE)(inner(function))


def inner(function):
    """The function with its helpers compiled: Numba cannot call plain functions."""
    return link(function, **{name: inlined(value) for name, value in helpers_of(function).items()})


@once_each
def inlined(function):
    return njit(**INSIDE, forceinline=True)(inner(function))


def compiled(function, name, signature, *, parallel=False, nogil=True, cached=True, besides="", for_c=False):
    """Compile for one signature, or take it from the disk cache. ``for_c``: with an entry for C, too.

    ``besides`` names what the compiled code depends on and the function's globals do not show. A folder that cannot
    be written and a damaged cache file cost a compilation, never an error. What the digest cannot see through is kept
    in no file.
    """
    if config.DISABLE_JIT:
        return function
    check(function)
    bound = inner(function)
    options = OPTIONS | {"parallel": parallel, "nogil": nogil, "no_cfunc_wrapper": not for_c}
    return ready(lambda cache: njit(cache=cache, **options)(bound), bound, name, signature, cached, besides)


def ready(make, function, name, signature, cached=True, besides=""):
    """What ``make(cache)`` makes of a function by a decorator of Numba's, compiled for one signature or taken from the
    disk cache, which finds it by its name."""
    seen = digest(function, *signature.args, besides=besides)
    function.__qualname__ = f"{name}_{seen}"
    if cached and seen is not None:
        try:
            return _ready(kept(make), signature)
        except NumbaError:
            raise
        except Exception:  # a folder that can no longer be written in, for one
            pass
    return _ready(make(cache=False), signature)


def _ready(kernel, signature):
    kernel.compile(signature)
    kernel.disable_compile()
    return kernel


def address_in_c(kernel) -> int:
    """Where C calls a kernel that was compiled for it."""
    (made,) = kernel.overloads.values()
    return made.library.get_pointer_to_function(made.fndesc.llvm_cfunc_wrapper_name)


def first_reason(error) -> str:
    """What a page of Numba's typing errors comes down to: why something was refused, and the line of the user's."""
    lines = [line.strip() for line in str(error).splitlines()]
    opening = next((line for line in lines if line and not line.startswith(("Failed in", "During", "File"))), "")
    if opening.endswith(":"):  # "No implementation of ... found for signature:", and a page of candidates
        call = next((found[1] for found in (re.match(">{3} (.*)", line) for line in lines) if found), "")
        opening = next(filter(None, map(_specific, lines)), f"Numba has no {call}")
        where = next((lines[i - 1] for i in _carets(lines)), "")
        opening += f", in: {where}" if where else ""
    return shorten(opening, 160)


def _specific(line):
    """What a candidate said, if that says something of the call."""
    found = re.fullmatch(r"\w*Error: (.+)", line)
    says = found[1] if found else ""
    return says if not says.startswith(("Failed in", "missing a required", "too many positional")) else ""


def _carets(lines):
    """Where a line of source is pointed at that is not Numba's."""
    numbas = False
    for i, line in enumerate(lines):
        if line.startswith('File "'):
            numbas = "/numba/" in line.replace("\\", "/")
        elif line == "^" and not numbas:
            yield i
