"""Two places where Numba takes it that arrays hold numbers of NumPy's. What it does for those stays as it is."""

from numba import types
from numba.core import inline_closurecall
from numba.np import npyimpl

from .dual import Dual


def _with_scalars(numbas):
    """An expression of arrays may have a dual among them, as any other number."""

    def prepare(context, builder, value, kind, where="input operand"):
        if isinstance(kind, Dual):
            return npyimpl._ScalarHelper(context, builder, value, kind)
        return numbas(context, builder, value, kind, where)

    return prepare


def _without_duals(numbas):
    """``np.array([a, b])`` of duals is made from the list: Numba would look for their dtype in NumPy."""

    def inline(block, func_ir, context, typemap, calltypes):
        lists = (typemap.get(each.target.name) for each in block.find_insts(inline_closurecall.ir.Assign))
        if any(isinstance(kind, types.List) and isinstance(kind.dtype, Dual) for kind in lists):
            return None
        return numbas(block, func_ir, context, typemap, calltypes)

    return inline


npyimpl._prepare_argument = _with_scalars(npyimpl._prepare_argument)
inline_closurecall._inline_const_arraycall = _without_duals(inline_closurecall._inline_const_arraycall)
