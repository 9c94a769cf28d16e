"""``python -m benchmarks [ROUNDS]``."""

from __future__ import annotations

import sys

from benchmarks.bench import main

if __name__ == "__main__":
    sys.exit(main(*(int(rounds) for rounds in sys.argv[1:2])))
