"""A scalar function over the variables of problems that lie side by side, lane by lane.

Memory is ``rows[slot, variable, lane]``: what belongs to one variable of all lanes is contiguous. Only here is it known
that slots never overlap; LLVM is told so, else it would not vectorise, or test it before each eight numbers.
"""

import math

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def sweep_over(function, reads, writes, count, lanes, scalar):
    """``sweep(rows, numbers, size)``: for each of so many variables, and each lane, ``function(*reads, *numbers)``,
    stored in ``writes``.

    ``function`` is a Numba function of scalars of this type, which returns a tuple; ``reads`` and ``writes`` are slots.
    ``rows`` and ``numbers`` are addresses: of numbers there are ``count`` for each lane.
    """

    @intrinsic
    def sweep(typingctx, rows, numbers, size):
        kind = types.Dispatcher(function)
        signature = kind.get_call_type(typingctx, (scalar,) * (len(reads) + count), {})

        def codegen(context, builder, sig, args):
            run = context.get_function(kind, signature)
            emit = _Emitted(context, builder, args, lanes, scalar)

            def call(values):
                out = run(builder, gathered(context, builder, signature.args, values))
                return [
                    context.cast(builder, builder.extract_value(out, i), to, scalar)
                    for i, to in enumerate(signature.return_type)
                ]

            emit.loops(call, reads, writes, count)
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 3), codegen

    return sweep


def gathered(context, builder, kinds, values) -> list:
    """The values as a function of these types takes them: one that takes any number has the rest as a tuple."""
    if not isinstance(kinds[-1], types.BaseTuple):
        return [*values]
    own = len(kinds) - 1
    return [*values[:own], context.make_tuple(builder, kinds[own], values[own:])]


class _Emitted:
    def __init__(self, context, builder, args, lanes, scalar):
        self.builder, self.lanes, self.size = builder, lanes, args[2]
        to = context.get_value_type(scalar).as_pointer()
        self.data, self.numbers = (builder.inttoptr(address, to) for address in args[:2])
        self.zero, self.one = (self.size.type(i) for i in (0, 1))

    def loops(self, call, reads, writes, count):
        """With one lane over variables, which then lie side by side; else over lanes in a loop over variables."""
        builder, many = self.builder, self.lanes > 1
        constants = None if many else [self._number(k, self.zero) for k in range(count)]
        group = _Distinct(builder.module)

        def inner(at, lane):
            place = builder.add(builder.mul(at, self.size.type(self.lanes)), lane)
            values = [self._marked(builder.load(self._pointer(slot, place)), group) for slot in reads]
            rest = constants or [self._marked(self._number(k, lane), group) for k in range(count)]
            for slot, value in zip(writes, call(values + rest)):
                self._marked(builder.store(value, self._pointer(slot, place)), group)

        if not many:
            self._loop(self.size, lambda at: inner(at, self.zero), group)
            return
        with cgutils.for_range(builder, self.size) as outer:
            self._loop(self.size.type(self.lanes), lambda lane: inner(outer.index, lane), group)

    def _pointer(self, slot, place):
        row = self.builder.mul(self.size, self.size.type(slot * self.lanes))
        return self.builder.gep(self.data, [self.builder.add(row, place)])

    def _number(self, k, lane):
        place = self.builder.add(self.size.type(k * self.lanes), lane)
        return self.builder.load(self.builder.gep(self.numbers, [place]))

    def _marked(self, instruction, group):
        instruction.set_metadata("llvm.access.group", group)
        return instruction

    def _loop(self, stop, body, group):
        """``for i in range(stop): body(i)``, whose turns may be taken side by side."""
        builder = self.builder
        before, turn = builder.block, builder.append_basic_block("lanes.turn")
        after = builder.append_basic_block("lanes.after")
        builder.cbranch(builder.icmp_signed(">", stop, self.zero), turn, after)
        builder.position_at_end(turn)
        index = builder.phi(stop.type)
        index.add_incoming(self.zero, before)
        body(index)
        following = builder.add(index, self.one, flags=("nsw",))
        index.add_incoming(following, builder.block)
        back = builder.cbranch(builder.icmp_signed("<", following, stop), turn, after)
        back.set_metadata("llvm.loop", self._side_by_side(group))
        builder.position_at_end(after)

    def _side_by_side(self, group):
        """Not unrolled: it would be, before it is vectorised. Of several lanes all at once: who reads them so would
        wait where halves of them were written. (Asked for two at once, LLVM says on stderr where it finds none.)"""
        module = self.builder.module

        def option(name, *values):
            return module.add_metadata([ir.MetaDataString(module, f"llvm.loop.{name}"), *values])

        options = [option("parallel_accesses", group), option("unroll.disable")]
        if self.lanes > 2:
            options.append(option("vectorize.width", ir.IntType(32)(self.lanes)))
        loop = _Distinct(module)
        loop.operands = loop, *options  # a loop's name begins with itself
        return loop


def gather_into(scalar, lanes):
    """``gather(to, base, numbers, apart)``: of each lane a float64 of its own, from rows that lie so many bytes apart,
    as a number of this type. All are addresses; at ``numbers`` each lane has that of its row."""

    @intrinsic
    def gather(typingctx, to, base, numbers, apart):
        def codegen(context, builder, signature, args):
            to, base, numbers, apart = args
            vector = ir.VectorType(context.get_value_type(scalar), lanes)
            whole = vector(ir.Undefined)

            def load(address, kind):
                return builder.load(builder.inttoptr(address, kind.as_pointer()))

            for lane in range(lanes):
                number = load(builder.add(numbers, numbers.type(8 * lane)), numbers.type)
                one = load(builder.add(base, builder.mul(number, apart)), ir.DoubleType())
                one = context.cast(builder, one, types.float64, scalar)
                whole = builder.insert_element(whole, one, ir.IntType(32)(lane))
            size = vector.element.get_abi_alignment(context.target_data)
            builder.store(whole, builder.inttoptr(to, vector.as_pointer()), align=size)
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 4), codegen

    return gather


def largest_over(slot, row, lanes):
    """``largest(rows, out, least)``: of each lane the largest magnitude in a slot, into a row of ``out``; NaN where
    there is one. It is what ``largest`` of loops/vectors.py is of a vector. Returns whether all are finite, and above
    ``least``."""
    from ..numbers.emitted import splat  # an import of the package leaves that room alone

    @intrinsic
    def largest(typingctx, rows, out, least):
        def codegen(context, builder, signature, args):
            array = context.make_array(signature.args[0])(context, builder, args[0])
            to = context.make_array(signature.args[1])(context, builder, args[1])
            size = cgutils.unpack_tuple(builder, array.shape)[1]
            width, scalar = size.type(lanes), context.get_value_type(rows.dtype)
            vector, wide = (ir.VectorType(kind, lanes) for kind in (scalar, ir.DoubleType()))
            most = cgutils.alloca_once_value(builder, vector(None))
            with cgutils.for_range(builder, size) as loop:
                at = builder.mul(builder.add(builder.mul(size, size.type(slot)), loop.index), width)
                place = builder.bitcast(builder.gep(array.data, [at]), vector.as_pointer())
                b = _magnitude(builder, builder.load(place, align=scalar.get_abi_alignment(context.target_data)))
                before = builder.load(most)
                is_more = builder.and_(
                    builder.fcmp_unordered(">", b, before), builder.fcmp_ordered("==", before, before)
                )
                builder.store(builder.select(is_more, b, before), most)
            start, ends = cgutils.unpack_tuple(builder, to.strides)[0], builder.load(most)
            base = builder.add(builder.ptrtoint(to.data, size.type), builder.mul(start, size.type(row)))
            ends = ends if vector == wide else builder.fpext(ends, wide)
            builder.store(ends, builder.inttoptr(base, wide.as_pointer()), align=8)
            fits = builder.and_(
                builder.fcmp_ordered(">", ends, splat(builder, args[2], lanes)),
                builder.fcmp_ordered("<", ends, wide([math.inf] * lanes)),
            )
            every = ir.IntType(lanes)
            return builder.icmp_signed("==", builder.bitcast(fits, every), every(-1))

        return types.boolean(rows, out, types.float64), codegen

    return largest


def _magnitude(builder, vector):
    name = f"llvm.fabs.v{vector.type.count}{'f64' if vector.type.element == ir.DoubleType() else 'f32'}"
    kind = ir.FunctionType(vector.type, [vector.type])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [vector])


class _Distinct(ir.values.MDValue):
    """A node that no other is merged with, however equal."""

    def __init__(self, module):
        super().__init__(module, (), name=str(len(module.metadata)))

    def descr(self, buf):
        inside = ", ".join(node.get_reference() for node in self.operands)
        buf += (f"distinct !{{ {inside} }}\n",)

    __eq__, __hash__ = object.__eq__, object.__hash__
