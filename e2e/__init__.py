"""Everything that needs a real cluster: the cluster itself, the demo, the scenarios, the figures."""
