"""What `import paceline` costs, as a ratio to importing anyio, asyncio, and BaseModel and TypeAdapter.

    python tests/benchmarks/imports.py [--repeat 15] [--json]

Each import runs in an interpreter of its own; the two take turns, and the ratio is the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

BASE = "import anyio, asyncio; from pydantic import BaseModel, TypeAdapter"
TIMED = "import time; begun = time.perf_counter(); {}; print(time.perf_counter() - begun)"


def seconds(statement: str) -> float:
    command = [sys.executable, "-c", TIMED.format(statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="two rounds, to see that it works")
    options = parser.parse_args()
    rounds = 2 if options.smoke else options.repeat
    pairs = [(seconds(BASE), seconds("import paceline")) for _ in range(rounds)]
    result = {
        "base_ms": statistics.median(base for base, _ in pairs) * 1000,
        "paceline_ms": statistics.median(own for _, own in pairs) * 1000,
        "ratio": statistics.median(own / base for base, own in pairs),
    }
    if options.json:
        print(json.dumps(result))
    else:
        print(f"anyio, asyncio, pydantic: {result['base_ms']:.0f} ms")
        print(f"paceline:                 {result['paceline_ms']:.0f} ms, {result['ratio']:.2f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
