"""Sixteen comparisons at once, as vector instructions that do not depend on what a compiler recognises.

A lane mask is an unsigned 16-bit integer, bit i for lane i. The three operations are written in LLVM's own terms; the
processor's widest registers are used, whatever they are.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

LANES = 16
WORD = ir.IntType(32)
VECTOR = ir.VectorType(WORD, LANES)
MASK = ir.IntType(LANES)
BITS = ir.VectorType(ir.IntType(1), LANES)


def vector_at(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Return a pointer to sixteen neighbours in a contiguous int32 array, from a flat index."""
    data = make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), VECTOR.as_pointer())


def load(builder: Any, pointer: Any) -> Any:
    """Load sixteen words that are aligned like one."""
    return builder.load(pointer, align=4)


def splat(builder: Any, word: Any) -> Any:
    """Return a vector of sixteen times the same word."""
    one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), word, ir.Constant(WORD, 0))
    return builder.shuffle_vector(one, ir.Constant(VECTOR, ir.Undefined), ir.Constant(VECTOR, [0] * LANES))


@intrinsic
def at_least(typing_context: Any, table: Any, index: Any, threshold: Any) -> Any:
    """Return the mask of the lanes ``table.flat[index : index + 16] >= threshold``."""
    signature = types.uint16(table, types.intp, types.int32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = load(builder, vector_at(context, builder, signature.args[0], arguments[0], arguments[1]))
        return builder.bitcast(builder.icmp_signed(">=", values, splat(builder, arguments[2])), MASK)

    return signature, generate


@intrinsic
def within(typing_context: Any, table: Any, index: Any, floor: Any, width: Any) -> Any:
    """Return the mask of the lanes ``floor <= table.flat[index : index + 16] < floor + width``."""
    signature = types.uint16(table, types.intp, types.int32, types.int32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = load(builder, vector_at(context, builder, signature.args[0], arguments[0], arguments[1]))
        above = builder.sub(values, splat(builder, arguments[2]))
        return builder.bitcast(builder.icmp_unsigned("<", above, splat(builder, arguments[3])), MASK)

    return signature, generate


@intrinsic
def add_one(typing_context: Any, counts: Any, index: Any, mask: Any) -> Any:
    """Add one to ``counts.flat[index : index + 16]`` in the lanes of the mask."""
    signature = types.void(counts, types.intp, types.uint16)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = vector_at(context, builder, signature.args[0], arguments[0], arguments[1])
        chosen = builder.zext(builder.bitcast(arguments[2], BITS), VECTOR)
        builder.store(builder.add(load(builder, pointer), chosen), pointer, align=4)
        return context.get_dummy_value()

    return signature, generate


__all__ = ["LANES", "add_one", "at_least", "within"]
