"""Values of the code that is being compiled, with Python's operators: mathematics written once, for numbers and lanes.

A function of these, plain Python text, runs while Numba lowers a call of it, and leaves LLVM's instructions, with
nothing for Numba to type or to compile. Its values are numbers or vectors of them; a Python number among them is a
constant of every lane. There is no ``if`` on values in such a text: ``select`` takes its place.
"""

from llvmlite import ir

I64 = ir.IntType(64)
STRICT = ("",)  # a flag that says nothing, so that Numba's fastmath, which would undo exact tricks, sets no others


class Emitted:
    """An LLVM value, a float or an integer or a truth, or a vector of them."""

    __slots__ = ("builder", "value")

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def like(self, other):
        """A Python number as a constant of this value's type; what is emitted as it is."""
        return other if isinstance(other, Emitted) else Emitted(self.builder, constant(self.value.type, other))

    def _binary(self, floats, integers, other, swapped=False):
        x, y = self, self.like(other)
        if swapped:
            x, y = y, x
        if is_float(self.value.type):
            return Emitted(self.builder, getattr(self.builder, floats)(x.value, y.value, flags=STRICT))
        return Emitted(self.builder, getattr(self.builder, integers)(x.value, y.value))

    def __add__(self, other):
        return self._binary("fadd", "add", other)

    def __radd__(self, other):
        return self._binary("fadd", "add", other, True)

    def __sub__(self, other):
        return self._binary("fsub", "sub", other)

    def __rsub__(self, other):
        return self._binary("fsub", "sub", other, True)

    def __mul__(self, other):
        return self._binary("fmul", "mul", other)

    def __rmul__(self, other):
        return self._binary("fmul", "mul", other, True)

    def __truediv__(self, other):
        return self._binary("fdiv", "", other)

    def __rtruediv__(self, other):
        return self._binary("fdiv", "", other, True)

    def __lshift__(self, other):
        return self._binary("", "shl", other)

    def __rshift__(self, other):
        """With zeros from the left: few processors have the other in vectors."""
        return self._binary("", "lshr", other)

    def __and__(self, other):
        return self._binary("", "and_", other)

    def __or__(self, other):
        return self._binary("", "or_", other)

    def __xor__(self, other):
        return self._binary("", "xor", other)

    def __invert__(self):
        return Emitted(self.builder, self.builder.not_(self.value))

    def __neg__(self):
        return Emitted(self.builder, negative(self.builder, self.value))

    def compare(self, sign, other):
        """True or false in each lane, as Python compares numbers: false with NaN, but for !=."""
        other = self.like(other).value
        if not is_float(self.value.type):
            compared = self.builder.icmp_signed(sign, self.value, other)
        else:
            compare = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
            compared = compare(sign, self.value, other)
            compared.flags.extend(STRICT)
        return Emitted(self.builder, compared)

    def __lt__(self, other):
        return self.compare("<", other)

    def __le__(self, other):
        return self.compare("<=", other)

    def __gt__(self, other):
        return self.compare(">", other)

    def __ge__(self, other):
        return self.compare(">=", other)

    def equals(self, other):
        return self.compare("==", other)

    def differs(self, other):
        return self.compare("!=", other)

    def bits(self):
        """A float64's bits as an integer, or the reverse."""
        to = I64 if is_float(self.value.type) else ir.DoubleType()
        return Emitted(self.builder, self.builder.bitcast(self.value, with_lanes(to, self.value.type)))

    def as_dtype(self, element):
        """The number in another float type."""
        mine, to = self.value.type, with_lanes(element, self.value.type)
        if mine == to:
            return self
        cast = self.builder.fpext if isinstance(element, ir.DoubleType) else self.builder.fptrunc
        return Emitted(self.builder, cast(self.value, to))


# --- types -----------------------------------------------------------------------------------------------------------


def scalar_of(kind):
    """The LLVM type of one lane."""
    return kind.element if isinstance(kind, ir.VectorType) else kind


def with_lanes(element, like):
    """A type of one lane, with as many lanes as another type has."""
    return ir.VectorType(element, like.count) if isinstance(like, ir.VectorType) else element


def is_float(kind):
    return isinstance(scalar_of(kind), (ir.DoubleType, ir.FloatType))


def constant(kind, number):
    number = float(number) if is_float(kind) else int(number)
    return ir.Constant(kind, [number] * kind.count) if isinstance(kind, ir.VectorType) else ir.Constant(kind, number)


def splat(builder, value, count):
    """A number in all lanes."""
    kind = ir.VectorType(value.type, count)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), lanes)


def negative(builder, value):
    """-x of an LLVM value, by the subtraction that is it: the LLVM of CUDA's compiler is older than ``fneg``."""
    return builder.fsub(constant(value.type, -0.0), value, flags=STRICT)


# --- what is no operator ---------------------------------------------------------------------------------------------


def select(condition, a, b):
    """``a`` in the lanes where the condition holds, ``b`` in the others."""
    of = a if isinstance(a, Emitted) else b
    a, b = of.like(a), of.like(b)
    return Emitted(condition.builder, condition.builder.select(condition.value, a.value, b.value))


def intrinsic(name, *values):
    """One of LLVM's, of floats; CUDA's compiler has them of numbers alone, and takes one lane for a number."""
    builder, kind = values[0].builder, values[0].value.type
    if isinstance(kind, ir.VectorType) and kind.count == 1:
        first = ir.IntType(32)(0)
        numbers = [Emitted(builder, builder.extract_element(values[0].like(each).value, first)) for each in values]
        return Emitted(builder, splat(builder, intrinsic(name, *numbers).value, 1))
    of = f"f{64 if isinstance(scalar_of(kind), ir.DoubleType) else 32}"
    full = f"llvm.{name}.v{kind.count}{of}" if isinstance(kind, ir.VectorType) else f"llvm.{name}.{of}"
    function = builder.module.globals.get(full)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(kind, [kind] * len(values)), full)
    return Emitted(builder, builder.call(function, [values[0].like(value).value for value in values]))


def madd(a, b, c):
    """a·b + c, rounded once where the processor does that as fast as it multiplies, else twice."""
    return intrinsic("fmuladd", a, b, c)


def absolute(x):
    """By what it is: the LLVM of CUDA's compiler has no ``fabs``."""
    return copysign(x, 1.0)


def sqrt(x):
    return intrinsic("sqrt", x)


def copysign(x, sign):
    return intrinsic("copysign", x, sign)


def floor(x):
    return intrinsic("floor", x)


def ceil(x):
    return intrinsic("ceil", x)


def trunc(x):
    return intrinsic("trunc", x)


def rint(x):
    return intrinsic("rint", x)
