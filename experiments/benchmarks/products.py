"""Multiply-adds of the matrix products and convolutions in the text of an XLA program.

A term counts where neither factor is padding or a hole of a dilated operand. So a convolution, its transpose and its weight
gradient count the same, as many as their definition has terms, and a form that computes more than that shows it.
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
    """One product. terms: multiply-adds of all its runs. column: whether its second factor is a matrix of one column, so that
    the gradient in the first is an outer product, which adds nothing up."""

    terms: int
    column: bool


def _dims(kind):
    """Sizes of an array's type, such as f32[2,3]{1,0}."""
    return [int(n) for n in re.match(r"\w+\[([\d,]*)\]", kind)[1].split(",") if n]


def _pairs(size, out, taps, stride, low, hole, step):
    """How many (output, tap) pairs along one axis meet an entry of the input. hole, step: dilations of input and kernel."""
    met = (o * stride + t * step - low for o in range(out) for t in range(taps))
    return sum(p >= 0 and p % hole == 0 and p // hole < size for p in met)


def _convolution(lhs, rhs, out, attributes):
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", attributes).groups()
    window = dict(part.split("=") for part in re.search(r"window=\{(.*?)\}", attributes)[1].split())
    axes = [c for c in labels[0] if c.isdigit()]
    spread = lambda name: [int(n) for n in window.get(name, "x".join("1" * len(axes))).split("x")]
    lows = [
        int(pad.split("_")[0])
        for pad in window.get("pad", "x".join(["0_0"] * len(axes))).split("x")
    ]
    of = lambda dims, label, name: dims[label.index(name)]
    per_axis = (
        _pairs(of(lhs, labels[0], a), of(out, labels[2], a), taps, stride, low, hole, step)
        for a, taps, stride, low, hole, step in zip(
            axes,
            spread("size"),
            spread("stride"),
            lows,
            spread("lhs_dilate"),
            spread("rhs_dilate"),
            strict=True,
        )
    )
    return (
        of(out, labels[2], "b")
        * of(out, labels[2], "f")
        * of(rhs, labels[1], "i")
        * math.prod(per_axis)
    )


def _dot(lhs, rhs, out, attributes):
    axes = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", attributes)
    summed = math.prod(lhs[int(a)] for a in axes[1].split(",")) if axes else 1
    return math.prod(out) * summed if summed > 1 else 0  # an outer product adds nothing up


def _computations(text):
    """{name: [(result, type, operation, operands, attributes)]}, the one where the program begins under ""."""
    found, lines = {}, []
    for line in text.splitlines():
        if match := _COMPUTATION.match(line):
            lines = found["" if match[1] else match[2]] = []
        elif match := _INSTRUCTION.match(line):
            lines.append(match.groups())
    return found


def count(text):
    """[Product] of a program as HLO text, in its order; all branches of a conditional, as if each ran."""
    computations = _computations(text)

    def walk(name, runs):
        kinds = {result: kind for result, kind, *_ in computations[name]}
        for _, kind, operation, operands, attributes in computations[name]:
            if operation in ("dot", "convolution"):
                lhs, rhs = (_dims(kinds[o.strip().lstrip("%")]) for o in operands.split(","))
                of = _dot if operation == "dot" else _convolution
                yield Product(
                    runs * of(lhs, rhs, _dims(kind), attributes),
                    operation == "dot" and _dims(kind)[-1:] == [1],
                )
                continue
            trips = _TRIPS.search(attributes) if operation == "while" else None
            branches = [
                b.strip().lstrip("%") for m in _BRANCHES.findall(attributes) for b in m.split(",")
            ]
            for called in _CALLED.findall(attributes) + branches:
                yield from walk(called, runs * (int(trips[1]) if trips else 1))

    return list(walk("", 1))
