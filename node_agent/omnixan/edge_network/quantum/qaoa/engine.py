"""Exact QAOA states on numpy, with adjoint gradients.

The circuit: every qubit in |+>, then for each layer l the phase ``exp(-i * gamma_l * D)`` with a real diagonal D
and the mixer ``exp(-i * beta_l * (X_0 + ... + X_{n-1}))``. Bit k of an amplitude's index is qubit k.

Both parts are diagonal in some basis: the phase in the computational one, the mixer in the Hadamard one, where
``X_0 + ... + X_{n-1}`` is ``n - 2 * (number of ones of the index)``. A layer is therefore two elementwise products and
two Walsh-Hadamard transforms, and the derivatives by gamma and beta are inner products with those two diagonals:
no derivative of a gate is ever built. The backward pass undoes the layers instead of storing them, so it needs two
states however many layers there are (adjoint differentiation, Jones and Gacon, arXiv:2009.02823).

Angles are one vector ``(gamma_1 ... gamma_p, beta_1 ... beta_p)`` throughout the package, in radians.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]
BoolArray = npt.NDArray[np.bool_]

#: Widest state the engine builds: 2**20 amplitudes of 16 bytes are 16 MiB, an evaluation needs about six of them.
MAX_QUBITS = 20

#: Qubits transformed by one matrix product. 32 x 32 is where BLAS beats one butterfly per qubit.
_CHUNK = 5


@lru_cache(maxsize=_CHUNK)
def _hadamard(qubits: int) -> FloatArray:
    """Return the normalised Hadamard matrix on ``qubits`` qubits, shape (2**qubits, 2**qubits)."""
    matrix = np.ones((1, 1))
    one = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    for _ in range(qubits):
        matrix = np.kron(matrix, one)
    return matrix


@lru_cache(maxsize=4)
def _ones(qubits: int) -> npt.NDArray[np.int64]:
    """Return the number of ones in each index 0 ... 2**qubits - 1."""
    ones = np.zeros(1, dtype=np.int64)
    for _ in range(qubits):
        ones = np.concatenate([ones, ones + 1])
    return ones


def walsh_hadamard(state: ComplexArray, qubits: int) -> ComplexArray:
    """Return the Walsh-Hadamard transform of a state of 2**qubits amplitudes (its own inverse)."""
    done = 0
    while done < qubits:
        width = min(_CHUNK, qubits - done)
        # Axes: qubits not yet done (the most significant ones) | this chunk | qubits done (the least significant).
        if done == 0:
            state = (state.reshape(-1, 1 << width) @ _hadamard(width)).reshape(-1)
        else:
            # The matrix is real: real and imaginary parts are two more columns, and the product costs half.
            parts = state.view(np.float64).reshape(-1, 1 << width, 2 << done)
            state = np.matmul(_hadamard(width), parts).reshape(-1).view(np.complex128)
        done += width
    return state


@dataclass(frozen=True)
class Ansatz:
    """A QAOA circuit for one phase diagonal: ``diagonal`` has 2**qubits real entries."""

    diagonal: FloatArray
    qubits: int

    def __post_init__(self) -> None:
        if not 1 <= self.qubits <= MAX_QUBITS:
            raise ValueError(f"qubits: {self.qubits} is not allowed, the engine takes 1 to {MAX_QUBITS}")
        if self.diagonal.shape != (1 << self.qubits,):
            raise ValueError(
                f"diagonal: shape {self.diagonal.shape} does not fit {self.qubits} qubits, it must be ({1 << self.qubits},)"
            )

    def state(self, angles: FloatArray) -> ComplexArray:
        """Return the final state for ``angles`` = (gamma_1 ... gamma_p, beta_1 ... beta_p)."""
        gammas, betas = _split(angles)
        psi = np.full(1 << self.qubits, 2.0 ** (-self.qubits / 2), dtype=np.complex128)
        for gamma, beta in zip(gammas, betas, strict=True):
            psi = self._mix(psi * self._phase(gamma), beta)
        return psi

    def probabilities(self, angles: FloatArray) -> FloatArray:
        """Return the exact outcome probabilities, shape (2**qubits,), summing to 1."""
        return _probabilities(self.state(angles))

    def value_and_gradient(
        self, angles: FloatArray, objective: Callable[[FloatArray], tuple[float, FloatArray]]
    ) -> tuple[float, FloatArray]:
        """Return an objective of the outcome probabilities and its gradient by the angles.

        ``objective`` maps probabilities to (value, derivative of the value by each probability).
        The derivative acts as a diagonal observable O: d value / d theta = 2 Re <psi| O |d psi / d theta>.
        """
        gammas, betas = _split(angles)
        psi = self.state(angles)
        value, by_probability = objective(_probabilities(psi))
        dual = by_probability * psi
        mixer = self.qubits - 2.0 * _ones(self.qubits)
        by_gamma, by_beta = np.empty_like(gammas), np.empty_like(betas)
        for layer in range(len(gammas) - 1, -1, -1):
            # d/d angle of exp(-i angle G) is -i G exp(...), and 2 Re(-i z) is 2 Im(z), for both generators G.
            psi_h, dual_h = walsh_hadamard(psi, self.qubits), walsh_hadamard(dual, self.qubits)
            by_beta[layer] = 2.0 * np.vdot(dual_h, mixer * psi_h).imag
            undo = self._mixer_phases(-betas[layer])
            psi, dual = walsh_hadamard(psi_h * undo, self.qubits), walsh_hadamard(dual_h * undo, self.qubits)
            by_gamma[layer] = 2.0 * np.vdot(dual, self.diagonal * psi).imag
            if layer:
                back = self._phase(-gammas[layer])
                psi, dual = psi * back, dual * back
        return value, np.concatenate([by_gamma, by_beta])

    def _phase(self, gamma: float) -> ComplexArray:
        angle = gamma * self.diagonal
        phase = np.empty(len(angle), dtype=np.complex128)
        phase.real, phase.imag = np.cos(angle), -np.sin(angle)  # several times faster than a complex exponential
        return phase

    def _mixer_phases(self, beta: float) -> ComplexArray:
        # Only qubits + 1 distinct eigenvalues: look the phases up instead of computing 2**qubits exponentials.
        levels = self.qubits - 2.0 * np.arange(self.qubits + 1)
        return np.asarray(np.exp(-1j * beta * levels)[_ones(self.qubits)], dtype=np.complex128)

    def _mix(self, psi: ComplexArray, beta: float) -> ComplexArray:
        return walsh_hadamard(walsh_hadamard(psi, self.qubits) * self._mixer_phases(beta), self.qubits)


def _split(angles: FloatArray) -> tuple[FloatArray, FloatArray]:
    layers, odd = divmod(len(angles), 2)
    if odd or not layers:
        raise ValueError(f"angles: {len(angles)} numbers given, two per layer are needed")
    return angles[:layers], angles[layers:]


def _probabilities(psi: ComplexArray) -> FloatArray:
    probabilities = psi.real**2 + psi.imag**2
    return np.asarray(probabilities / probabilities.sum(), dtype=np.float64)
