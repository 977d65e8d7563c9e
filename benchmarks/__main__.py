"""Every benchmark of docs/benchmarks.md in turn: `python -m benchmarks --data FOLDER [--only NAME ...]`."""

import argparse
import subprocess
import sys
from pathlib import Path

# Each in a process of its own, so that no benchmark warms, fills or burdens the next.
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "quality": ("--data", "{data}"),
    "encoder": ("--data", "{data}"),
    "retrieve_speed": ("--data", "{data}"),
    "index": ("--data", "{data}"),
    "answer_speed": ("--data", "{data}"),
    "evidence_speed": ("--data", "{data}"),
    "gate_edits": ("--data", "{data}"),
    "ledger": (),
    "poison": ("--data", "{data}"),
    "model_overhead": (),
    "model_outage": (),
    "actions_speed": (),
    "action_kills": (),
}


def main() -> int:
    """Runs them and returns the number that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the documentation corpora")
    parser.add_argument("--only", nargs="+", choices=sorted(BENCHMARKS), default=list(BENCHMARKS), help="run these alone")
    options = parser.parse_args()
    failed = 0
    for name in options.only:
        print(f"\n## {name}\n", flush=True)
        arguments = [argument.format(data=options.data) for argument in BENCHMARKS[name]]
        failed += subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
