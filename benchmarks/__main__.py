"""``python -m benchmarks [ROUNDS]`` or ``python -m benchmarks growth``."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["growth"]:
        from benchmarks.growth import main as growth

        sys.exit(growth(sys.argv[2:]))
    from benchmarks.bench import main

    sys.exit(main(*(int(rounds) for rounds in sys.argv[1:2])))
