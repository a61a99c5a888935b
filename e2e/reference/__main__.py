"""`python -m e2e.reference`: write docs/reference; with --check say what is out of date and exit with 1."""

from __future__ import annotations

import argparse

from e2e.reference.pages import ROOT, files


def main() -> None:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(prog="python -m e2e.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is out of date")
    check: bool = parser.parse_args().check
    stale = [path for path, text in files().items() if not (ROOT / path).is_file() or (ROOT / path).read_text() != text]
    for path in stale:
        print(f"{'out of date' if check else 'written'}: {path}")
        if not check:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(files()[path])
    if check and stale:
        raise SystemExit("run `make generate` and commit what it writes")


if __name__ == "__main__":
    main()
