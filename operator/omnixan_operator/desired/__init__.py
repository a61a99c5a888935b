"""Pure builders: an EdgeCluster or QuantumJob in, the manifest of one child out. No I/O, no clock."""
