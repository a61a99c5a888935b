"""Quantum programs: parsing strangers' programs in safety, simulators, sampling, and the worker that runs jobs.

Importing this package imports nothing heavy; `circuit` and `statevector` need only numpy.
"""
