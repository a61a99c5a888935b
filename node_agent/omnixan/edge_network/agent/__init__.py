"""The node agent: takes the runs of its node, drives the quantum worker, reports to the API server.

`main` puts the parts together; `queue`, `watchcache`, `outcome` and `conditions` decide without I/O, clock or loop.
"""
