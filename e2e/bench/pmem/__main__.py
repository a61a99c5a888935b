"""`python -m e2e.bench.pmem`."""

from e2e.bench.pmem import main

main()
