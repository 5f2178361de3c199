"""Whether a user's function starts threads itself."""

from types import FunctionType, ModuleType

from .digest import codes_in


def starts_threads(function) -> bool:
    """Whether a Numba function is ``parallel=True``, or one that it reaches by the names in its code."""
    seen: set = set()

    def search(value, names):
        if getattr(value, "targetoptions", {}).get("parallel"):
            return True
        value = getattr(value, "py_func", value)
        if isinstance(value, ModuleType):
            return any(search(getattr(value, name, None), ()) for name in names if name in vars(value))
        if not isinstance(value, FunctionType) or value in seen:
            return False
        seen.add(value)
        names = {name for code in codes_in(value.__code__) for name in code.co_names}
        held = [cell.cell_contents for cell in value.__closure__ or ()]
        held += [value.__globals__[name] for name in names if name in value.__globals__]
        return any(search(one, names) for one in held)

    return search(function, ())
