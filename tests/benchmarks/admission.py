"""What the admission step is worth: prefixes paid once, rates kept and used, budgets that hold, lanes fair.

    python tests/benchmarks/admission.py [--only prefix|slot|rate|budget|overhead|fairness ...] [--json]

Each figure stands beside its target. All but two sections run in virtual time on the simulator's own cache
and limiter, and give the same numbers everywhere; the overhead, and the rates over HTTP, drift with the
machine. Exits with 1 if a figure that does not drift misses its target.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script finds only what lies beside it

from tests.benchmarks._admission.budgets import budgets
from tests.benchmarks._admission.lanes import fairness, overhead
from tests.benchmarks._admission.prefixes import shared_cache, slot_cache
from tests.benchmarks._admission.rates import rates
from tests.benchmarks._admission.rows import Row, Section

SECTIONS: dict[str, tuple[str, Section]] = {
    "prefix": ("a prefix is paid for once: shared block cache", shared_cache),
    "slot": ("a prefix is paid for once: a cache per slot, learned", slot_cache),
    "rate": ("60,000 tokens and 300 requests a minute, 500 jobs of mixed size", rates),
    "budget": ("jobs that race for a budget", budgets),
    "overhead": ("limits, budgets and token costs: time per job", overhead),
    "fairness": ("limits, budgets and token costs: lanes", fairness),
}


def print_rows(title: str, rows: list[Row], seconds: float) -> None:
    width = max(len(row.what) for row in rows)
    print(f"\n{title} ({seconds:.1f} s)")
    for row in rows:
        line = f"  {row.what:{width}}  {row.written(row.measured):>14}"
        if row.target is not None:
            line += f"  {row.bound:>8} {row.written(row.target):>14}  {'MISSED' if row.missed else 'pass'}"
        print(line)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(SECTIONS),
        default=list(SECTIONS),
        metavar="SECTION",
        help=f"only these: {', '.join(SECTIONS)}",
    )
    parser.add_argument("--smoke", action="store_true", help="a run of seconds, to see that it works")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    measured: dict[str, list[Row]] = {}
    for name in options.only:
        title, section = SECTIONS[name]
        started = time.perf_counter()
        measured[name] = section(options.smoke)
        if not options.json:
            print_rows(title, measured[name], time.perf_counter() - started)
    if options.json:
        found = {
            name: [{**asdict(row), "missed": row.missed} for row in rows] for name, rows in measured.items()
        }
        print(json.dumps(found, indent=2))
    missed = [row for rows in measured.values() for row in rows if row.missed]
    if not options.json:
        judged = sum(row.target is not None for rows in measured.values() for row in rows)
        print(
            f"\n{judged - len(missed)} of {judged} targets met"
            + "".join(f"\n  MISSED {row.what}" for row in missed)
        )
    return 1 if any(not row.drifts for row in missed) else 0


if __name__ == "__main__":
    sys.exit(main())
