"""`python -m tests.api.omnixan_operator.in_a_pod FOLDER`: the operator, whose service account is mounted at FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from omnixan_operator import credentials
from omnixan_operator.main import main

if __name__ == "__main__":
    credentials.SERVICE_ACCOUNT = Path(sys.argv[1])
    credentials.KOPF_SECONDS = 15.0  # else nothing that kopf was given runs out in a test
    sys.exit(main())
