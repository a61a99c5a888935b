"""`omnixan`: the same manifests without a cluster."""
