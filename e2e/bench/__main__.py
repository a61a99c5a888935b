"""`python -m e2e.bench [part …]`: run the benchmarks, all of them unless parts are named."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from e2e.bench import figures


def _qaoa() -> None:
    import tests.bench.qaoa as qaoa

    qaoa.run(figures.OUT)


def _engine() -> None:
    from e2e.bench import engine

    engine.run()


def _first_shot() -> None:
    from e2e.bench import first_shot

    first_shot.run()


def _esp() -> None:
    from e2e.bench.esp import accuracy

    accuracy.run()


def _placement() -> None:
    from e2e.bench.esp import placement

    placement.run()


def _placement_fleets() -> None:
    from e2e.bench.esp import fleets

    fleets.run()


def _guest() -> None:
    from e2e.bench import guest

    guest.run()


def _pmem() -> None:
    from e2e.bench import pmem

    pmem.run()


def _pool() -> None:
    from e2e.bench import pool

    pool.run()


def _pool_requests() -> None:
    from e2e.bench import pool

    pool.run_requests()


PARTS: dict[str, Callable[[], None]] = {
    "qaoa": _qaoa,
    "engine": _engine,
    "first-shot": _first_shot,
    "esp": _esp,
    "placement": _placement,
    "placement-fleets": _placement_fleets,
    "guest": _guest,
    "pmem": _pmem,
    "pool": _pool,
    "pool-requests": _pool_requests,
}


def main() -> None:
    """Run the parts in order and say how long each took."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="parts to run (all)")
    for name in parser.parse_args().parts or PARTS:
        begin = time.monotonic()
        print(f"── {name}", flush=True)
        PARTS[name]()
        print(f"   {name} took {(time.monotonic() - begin) / 60:.1f} min\n", flush=True)


if __name__ == "__main__":
    main()
