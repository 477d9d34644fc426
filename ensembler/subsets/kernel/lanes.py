"""Vectors as values in compiled code, so that what is done at once does not depend on what a compiler recognises.

`WORDS` are sixteen integers of 32 bits and `BYTES` are 64 of 8 bits, as fit one 512-bit register. Outcomes of a
comparison of words are the lowest sixteen bits of an integer, bit i for lane i; those of bytes (flags) are bytes, all
bits of which are the same. Operations are written in LLVM's own terms; the processor's widest registers are used,
whatever they are.

Arrays are contiguous, and places in them are flat indices that are not checked.
"""

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import config, types
from numba.extending import intrinsic, models, register_model
from numba.np.arrayobj import make_array

BIT, BYTE, SHORT, WORD, LONG = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))


class Vector(types.Type):
    """Some lanes of an integer type."""

    def __init__(self, name: str, lane: ir.Type, n_lanes: int) -> None:
        self.llvm = ir.VectorType(lane, n_lanes)
        super().__init__(name)


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """A vector is LLVM's vector."""

    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, vector.llvm)


WORDS, BYTES = Vector("words", WORD, 16), Vector("bytes", BYTE, 64)


def operation(build: Callable[..., Any], result: Any, *operands: Any) -> Any:
    """Return what compiled code calls to have an operation done.

    ``build`` makes LLVM's instructions from LLVM's values. An operand of None is an array and an index, of which
    ``build`` is given the pointer.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = list(arguments)
        for position, operand in enumerate(operands):
            if operand is None:
                array = make_array(signature.args[position])(context, builder, values[position])
                values[position] = builder.gep(array.data, [values.pop(position + 1)])
        found = build(builder, *values)
        return context.get_dummy_value() if result is types.void else found

    def define(typing_context: Any, *given: Any) -> Any:
        wanted: list[Any] = []
        for operand in operands:
            wanted += [given[len(wanted)], types.intp] if operand is None else [operand]
        return result(*wanted), generate

    names = ["typing_context", *(f"operand_{number}" for number in range(len(operands) + operands.count(None)))]
    define.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    )
    return intrinsic(define)


def call(builder: Any, name: str, result: Any, *values: Any) -> Any:
    """Call one of LLVM's own functions."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(builder.module.declare_intrinsic(name, fnty=kind), values)


def load(builder: Any, place: Any, vector: Any) -> Any:
    """Load neighbours."""
    return builder.load(builder.bitcast(place, vector.as_pointer()), align=1)


def spread(builder: Any, value: Any, vector: Any) -> Any:
    """Return a vector of the same value in all lanes."""
    nothing = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(WORD, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(WORD, vector.count), [0] * vector.count))


def as_mask(builder: Any, bits: Any) -> Any:
    """Return sixteen outcomes as an integer."""
    return builder.zext(builder.bitcast(bits, SHORT), LONG)


def smaller(builder: Any, one: Any, two: Any) -> Any:
    """Return the smaller of two, lane by lane."""
    return builder.select(builder.icmp_signed("<", one, two), one, two)


def larger(builder: Any, one: Any, two: Any) -> Any:
    """Return the larger of two, lane by lane."""
    return builder.select(builder.icmp_signed(">", one, two), one, two)


def gathered(builder: Any, place: Any, indices: Any) -> Any:
    """Load the words at some indices."""
    places = builder.gep(place, [indices], source_etype=WORD)
    places.type = ir.VectorType(place.type, 16)
    everywhere, nothing = ir.Constant(ir.VectorType(BIT, 16), [1] * 16), ir.Constant(WORDS.llvm, ir.Undefined)
    return call(
        builder, "llvm.masked.gather.v16i32.v16p0", WORDS.llvm, places, ir.Constant(WORD, 4), everywhere, nothing
    )


def compresses() -> bool:
    """Say whether the processor moves chosen lanes together in one instruction."""
    features = config.CPU_FEATURES
    return "+avx512f" in (get_host_cpu_features().flatten() if features is None else features).split(",")


def compressed(builder: Any, place: Any, words: Any, mask: Any) -> None:
    """Store the words of a mask one after another; the word after them may be overwritten."""
    if compresses():
        bits = builder.bitcast(builder.trunc(mask, SHORT), ir.VectorType(BIT, 16))
        call(builder, "llvm.masked.compressstore.v16i32", ir.VoidType(), words, place, bits)
        return
    for lane in range(16):
        builder.store(builder.extract_element(words, ir.Constant(WORD, lane)), place)
        kept = builder.and_(builder.lshr(mask, ir.Constant(LONG, lane)), ir.Constant(LONG, 1))
        place = builder.gep(place, [kept])


def chosen(builder: Any, mask: Any, one: Any, two: Any) -> Any:
    """Return the one in the lanes of a mask, and the other elsewhere."""
    return builder.select(builder.bitcast(builder.trunc(mask, SHORT), ir.VectorType(BIT, 16)), one, two)


def number_below(builder: Any, place: Any, threshold: Any) -> Any:
    """Return how many of sixteen neighbours are less than a threshold."""
    below = builder.icmp_signed("<", load(builder, place, WORDS.llvm), spread(builder, threshold, WORDS.llvm))
    return builder.ctpop(as_mask(builder, below))


def fetched(builder: Any, place: Any) -> None:
    """Have a cache line fetched."""
    flags = (ir.Constant(WORD, value) for value in (0, 3, 1))
    call(builder, "llvm.prefetch.p0", ir.VoidType(), builder.bitcast(place, BYTE.as_pointer()), *flags)


word = operation(lambda b, place: b.sext(b.load(place), LONG), types.int64, None)
byte = operation(lambda b, place: b.load(place), types.uint8, None)
set_word = operation(lambda b, place, value: b.store(value, place), types.void, None, types.int32)
set_byte = operation(lambda b, place, value: b.store(value, place), types.void, None, types.uint8)
prefetch = operation(fetched, types.void, None)
ones = operation(lambda b, mask: b.ctpop(mask), types.int64, types.int64)
length = operation(
    lambda b, mask: b.sub(ir.Constant(LONG, 64), b.ctlz(mask, ir.Constant(BIT, 0))), types.int64, types.int64
)

load_words = operation(lambda b, place: load(b, place, WORDS.llvm), WORDS, None)
store_words = operation(
    lambda b, place, values: b.store(values, b.bitcast(place, WORDS.llvm.as_pointer()), align=1),
    types.void,
    None,
    WORDS,
)
splat_words = operation(lambda b, value: spread(b, value, WORDS.llvm), WORDS, types.int32)
gather = operation(gathered, WORDS, None, WORDS)
compress = operation(compressed, types.void, None, WORDS, types.int64)
add = operation(lambda b, one, two: b.add(one, two), WORDS, WORDS, WORDS)
subtract = operation(lambda b, one, two: b.sub(one, two), WORDS, WORDS, WORDS)
minimum = operation(smaller, WORDS, WORDS, WORDS)
maximum = operation(larger, WORDS, WORDS, WORDS)
at_least = operation(lambda b, one, two: as_mask(b, b.icmp_signed(">=", one, two)), types.int64, WORDS, WORDS)
unequal = operation(lambda b, one, two: as_mask(b, b.icmp_signed("!=", one, two)), types.int64, WORDS, WORDS)
choose = operation(chosen, WORDS, types.int64, WORDS, WORDS)
count_below = operation(number_below, types.int64, None, types.int32)

load_bytes = operation(lambda b, place: load(b, place, BYTES.llvm), BYTES, None)
store_bytes = operation(
    lambda b, place, values: b.store(values, b.bitcast(place, BYTES.llvm.as_pointer()), align=1),
    types.void,
    None,
    BYTES,
)
splat_bytes = operation(lambda b, value: spread(b, value, BYTES.llvm), BYTES, types.uint8)
splat_flag = operation(lambda b, flag: spread(b, b.sext(b.trunc(flag, BIT), BYTE), BYTES.llvm), BYTES, types.int64)
above = operation(lambda b, one, two: b.sext(b.icmp_unsigned(">", one, two), BYTES.llvm), BYTES, BYTES, BYTES)
both = operation(lambda b, one, two: b.and_(one, two), BYTES, BYTES, BYTES)
either = operation(lambda b, one, two: b.or_(one, two), BYTES, BYTES, BYTES)
count = operation(lambda b, counts, flags: b.sub(counts, flags), BYTES, BYTES, BYTES)
