"""How a noisy circuit is simulated, and how long that will take: decided before it begins.

Three ways: the density matrix (exact, whatever the number of shots; 4^n numbers), and, one noisy trajectory a shot, a
state vector (2^n numbers) or a matrix product state. The cheapest is taken. What a matrix product state costs is only
bounded from above beforehand, by bonds as wide as the gates across each cut can make them; most circuits of many qubits
are far below that. So where all bounds are high it is tried on a few trajectories first.

The constants are seconds, measured on one core of an AMD EPYC; a machine half as fast takes twice as long.
"""

from __future__ import annotations

from dataclasses import dataclass

from omnixan.edge_network.quantum.emulator.physical import Physical

MAX_SECONDS = 120.0
"""No simulation that is estimated to take longer is begun."""
MAX_DENSITY_QUBITS = 10
"""The widest density matrix: 16 MiB."""

TRIAL_SHOTS = 8
MAX_TRIAL_SECONDS = 10.0
"""No trial is begun whose bound is higher."""
SURE_SECONDS = 60.0
"""A bound below this needs no trial."""

DENSITY_ITEM, DENSITY_AMPLITUDE = 5e-4, 8e-9
STATE_ITEM, STATE_AMPLITUDE = 2e-6, 2.5e-9
BOND_ITEM, BOND_CUBE = 1.2e-5, 1.2e-9


@dataclass(frozen=True)
class Plan:
    """A method of Qiskit Aer, an upper estimate of the seconds of one core, and whether a trial should sharpen it."""

    method: str
    seconds: float
    trial: bool = False


def plan(physical: Physical, shots: int) -> Plan:
    """Return how to simulate so many shots of a circuit; depends on nothing else, so that results do not either."""
    width, items = len(physical.active), 2 * len(physical.timeline[0])
    a_trajectory = _bond_seconds(physical)
    plans = [
        Plan("statevector", shots * items * (STATE_ITEM + STATE_AMPLITUDE * 2**width)),
        Plan("matrix_product_state", shots * a_trajectory),
    ]
    if width <= MAX_DENSITY_QUBITS:
        plans.insert(0, Plan("density_matrix", items * (DENSITY_ITEM + DENSITY_AMPLITUDE * 4**width)))
    cheapest = min(plans, key=lambda one: one.seconds)
    if cheapest.seconds > SURE_SECONDS and width > MAX_DENSITY_QUBITS and TRIAL_SHOTS * a_trajectory <= MAX_TRIAL_SECONDS:
        return Plan("matrix_product_state", shots * a_trajectory, trial=True)
    return cheapest


def _bond_seconds(physical: Physical) -> float:
    """Seconds of one trajectory as a matrix product state, the active qubits in their order."""
    place = {qubit: index for index, qubit in enumerate(physical.active)}
    width = len(place)
    crossed = [0] * (width + 1)  # crossed[k]: gates so far across the cut before place k
    seconds = 0.0
    for step in physical.steps:
        low, high = min(place[q] for q in step.qubits), max(place[q] for q in step.qubits)
        widest = 0
        for cut in range(low + 1, high + 1):
            crossed[cut] += 1
            widest = max(widest, min(crossed[cut], cut, width - cut))
        swaps = 2 * max(0, high - low - 1)
        bond = 2.0 ** max(widest, 0)
        seconds += (1 + swaps) * (BOND_ITEM + BOND_CUBE * bond**3 * (widest > 0))
    return seconds + BOND_ITEM * (len(physical.timeline[0]) + width)
