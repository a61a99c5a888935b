"""Powers of one-qubit gates, and gates with any number of controls as standard gates on one or two qubits.

A one-qubit unitary is here a row-major 4-tuple of complex numbers. Sources of the constructions: A. Barenco et al.,
"Elementary gates for quantum computation", Phys. Rev. A 52, 3457 (1995): Lemma 7.2 (k controls with k − 2 borrowed
qubits), Lemma 7.3 (one borrowed qubit), Lemma 7.5 (any unitary, no borrowed qubit; quadratic in k).
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Sequence

from omnixan.edge_network.quantum.circuit import Instruction

Unitary = tuple[complex, complex, complex, complex]

X: Unitary = (0, 1, 1, 0)
_TINY = 1e-12


def euler_angles(unitary: Unitary) -> tuple[float, float, float, float]:
    """Return (θ, φ, λ, γ) with unitary = exp(iγ)·U(θ, φ, λ), where U is the gate "u"."""
    a, b, c, d = unitary
    theta = 2 * math.atan2(abs(c), abs(a))
    if abs(a) > abs(c):
        gamma = cmath.phase(a)
        sum_angle = cmath.phase(d) - gamma
        phi = cmath.phase(c) - gamma if abs(c) > _TINY else 0.0
        return theta, phi, sum_angle - phi, gamma
    # γ and λ = phase(−b) − γ, φ = phase(c) − γ; the upper left corner fixes γ unless it is zero.
    gamma = cmath.phase(a) if abs(a) > _TINY else 0.0
    return theta, cmath.phase(c) - gamma, cmath.phase(-b) - gamma, gamma


def power(unitary: Unitary, exponent: float) -> Unitary:
    """Return the principal power of a unitary: eigenphases in (−π, π] times `exponent`."""
    a, b, c, d = unitary
    half_trace = (a + d) / 2
    root = cmath.sqrt(half_trace * half_trace - (a * d - b * c))
    first, second = half_trace + root, half_trace - root
    f, s = _principal(first, exponent), _principal(second, exponent)
    if abs(first - second) < _TINY:
        return (f, 0, 0, f)
    # U^e = (f·(U − second) − s·(U − first)) / (first − second), which needs no eigenvectors.
    gap = first - second
    slope, offset = (f - s) / gap, (s * first - f * second) / gap
    return (slope * a + offset, slope * b, slope * c, slope * d + offset)


def _principal(eigenvalue: complex, exponent: float) -> complex:
    phase = cmath.phase(eigenvalue)
    if phase < -math.pi + _TINY:  # −1 with rounding just below the cut
        phase += 2 * math.pi
    return cmath.exp(1j * phase * exponent)


def controlled(unitary: Unitary, controls: Sequence[int], target: int, borrowed: Sequence[int]) -> Iterator[Instruction]:
    """Yield standard gates that apply `unitary` to `target` where all `controls` are 1.

    `borrowed` are other qubits of the circuit in any state; they are given back as they were. With no control the
    global phase is dropped.
    """
    if not controls:
        theta, phi, lam, _ = euler_angles(unitary)
        yield Instruction("u", (target,), (theta, phi, lam))
        return
    if len(controls) == 1:
        yield _controlled_once(unitary, controls[0], target)
        return
    if unitary == X and (len(controls) == 2 or (borrowed and len(controls) > 3)):  # 37 gates beat 60 for three
        yield from multi_controlled_x(controls, target, borrowed)
        return
    root = power(unitary, 0.5)
    inverse = power(unitary, -0.5)
    *rest, last = controls
    yield _controlled_once(root, last, target)
    yield from multi_controlled_x(rest, last, [*borrowed, target])
    yield _controlled_once(inverse, last, target)
    yield from multi_controlled_x(rest, last, [*borrowed, target])
    yield from controlled(root, rest, target, [*borrowed, last])


def _controlled_once(unitary: Unitary, control: int, target: int) -> Instruction:
    a, b, c, d = unitary
    if unitary == X:
        return Instruction("cx", (control, target))
    if abs(a - 1) < _TINY and abs(b) < _TINY and abs(c) < _TINY:
        return Instruction("cp", (control, target), (cmath.phase(d),))
    return Instruction("cu", (control, target), euler_angles(unitary))


def multi_controlled_x(controls: Sequence[int], target: int, borrowed: Sequence[int]) -> Iterator[Instruction]:
    """Yield standard gates that flip `target` where all `controls` are 1; at least one borrowed qubit beyond two."""
    k = len(controls)
    if k == 1:
        yield Instruction("cx", (controls[0], target))
    elif k == 2:
        yield from toffoli(controls[0], controls[1], target)
    elif len(borrowed) >= k - 2:
        c, a = controls, borrowed
        for _ in range(2):
            yield from toffoli(c[k - 1], a[k - 3], target)
            for i in range(k - 2, 1, -1):
                yield from toffoli(c[i], a[i - 2], a[i - 1])
            yield from toffoli(c[0], c[1], a[0])
            for i in range(2, k - 1):
                yield from toffoli(c[i], a[i - 2], a[i - 1])
    else:
        middle = borrowed[0]
        left, right = list(controls[: (k + 1) // 2]), [*controls[(k + 1) // 2 :], middle]
        for _ in range(2):
            yield from multi_controlled_x(left, middle, [*right[:-1], target])
            yield from multi_controlled_x(right, target, left)


def toffoli(first: int, second: int, target: int) -> Iterator[Instruction]:
    """Yield the usual fifteen gates of a Toffoli gate (Nielsen and Chuang, figure 4.9)."""
    yield Instruction("h", (target,))
    yield Instruction("cx", (second, target))
    yield Instruction("tdg", (target,))
    yield Instruction("cx", (first, target))
    yield Instruction("t", (target,))
    yield Instruction("cx", (second, target))
    yield Instruction("tdg", (target,))
    yield Instruction("cx", (first, target))
    yield Instruction("t", (second,))
    yield Instruction("t", (target,))
    yield Instruction("h", (target,))
    yield Instruction("cx", (first, second))
    yield Instruction("t", (first,))
    yield Instruction("tdg", (second,))
    yield Instruction("cx", (first, second))
