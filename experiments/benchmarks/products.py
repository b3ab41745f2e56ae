"""Multiply-adds of the matrix products and convolutions in the text of an XLA program.

A term counts where neither factor is padding or a hole of a dilated operand. So a convolution, its
transpose and its weight gradient count the same, and a form that computes more shows it.
"""

import math
import re
from typing import NamedTuple

_INSTRUCTION = re.compile(r"\s+(?:ROOT )?%?([\w.-]+) = (\(.*?\)|\S+) ([\w-]+)\((.*?)\)(.*)")
_COMPUTATION = re.compile(r"(ENTRY )?%?([\w.-]+) (?:\(.*)?\{")
_CALLED = re.compile(r"(?:calls|to_apply|body|true_computation|false_computation)=%?([\w.-]+)")
_BRANCHES = re.compile(r"branch_computations=\{(.*?)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


class Product(NamedTuple):
    """One product in a program."""

    terms: int  # multiply-adds of all its runs
    # Whether the second factor is a matrix of one column: then the gradient in the first factor is
    # an outer product, which adds nothing up.
    column: bool


def count(text: str) -> list[Product]:
    """Count the products of an HLO program in its order, as if all branches of conditionals ran."""
    computations = _computations(text)

    def walk(name, runs):
        types = {result: kind for result, kind, *_ in computations[name]}
        for _, kind, operation, operands, attributes in computations[name]:
            if operation in ("dot", "convolution"):
                lhs, rhs = (_dims(types[_name(o)]) for o in operands.split(","))
                terms = _dot if operation == "dot" else _convolution
                column = operation == "dot" and _dims(kind)[-1:] == [1]
                yield Product(runs * terms(lhs, rhs, _dims(kind), attributes), column)
                continue
            trips = _TRIPS.search(attributes) if operation == "while" else None
            branches = [_name(b) for m in _BRANCHES.findall(attributes) for b in m.split(",")]
            for called in _CALLED.findall(attributes) + branches:
                yield from walk(called, runs * (int(trips[1]) if trips else 1))

    return list(walk("", 1))


def _computations(text):
    """{name: [(result, type, operation, operands, attributes)]}; the entry's name is ""."""
    computations, lines = {}, []
    for line in text.splitlines():
        if match := _COMPUTATION.match(line):
            lines = computations["" if match[1] else match[2]] = []
        elif match := _INSTRUCTION.match(line):
            lines.append(match.groups())
    return computations


def _name(operand):
    return operand.strip().lstrip("%")


def _dims(kind):
    """Sizes in an array's type, such as f32[2,3]{1,0}."""
    return [int(n) for n in re.findall(r"\w+\[([\d,]*)\]", kind)[0].split(",") if n]


def _dot(lhs, rhs, out, attributes):
    axes = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", attributes)
    summed = math.prod(lhs[int(a)] for a in axes[1].split(",")) if axes else 1
    return math.prod(out) * summed if summed > 1 else 0  # an outer product adds nothing up


def _convolution(lhs, rhs, out, attributes):
    of_lhs, of_rhs, of_out = re.findall(r"dim_labels=(\w+)_(\w+)->(\w+)", attributes)[0]
    parts = re.findall(r"window=\{(.*?)\}", attributes)[0].split()
    window = {key: value.split("x") for key, value in (part.split("=") for part in parts)}
    terms = out[of_out.index("b")] * out[of_out.index("f")] * rhs[of_rhs.index("i")]
    for i, axis in enumerate(c for c in of_lhs if c.isdigit()):
        keys = "size", "stride", "lhs_dilate", "rhs_dilate"
        taps, stride, hole, step = (int(window[k][i]) if k in window else 1 for k in keys)
        low = int(window["pad"][i].split("_")[0]) if "pad" in window else 0
        size, n_out = lhs[of_lhs.index(axis)], out[of_out.index(axis)]
        # Pairs of an output and a tap that meet an input.
        places = (o * stride + t * step - low for o in range(n_out) for t in range(taps))
        terms *= sum(p >= 0 and p % hole == 0 and p // hole < size for p in places)
    return terms
