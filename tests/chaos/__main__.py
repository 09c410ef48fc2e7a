"""`python -m tests.chaos` makes one run or several, prints what they found, and fails if it is anything."""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.chaos import report
from tests.chaos.run import Options, Outcome, run

RESULTS = Path(__file__).parents[2] / ".loupe" / "chaos"
LINES = 10
"""The most violations of an audit that are printed."""


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


def show(outcome: Outcome) -> None:
    say(
        f"seed {outcome.seed}: {outcome.accepted} images accepted, {sum(outcome.kills.values())} processes "
        f"killed, stopped or frozen, {len(outcome.violations)} audits found violations"
    )
    for name, lines in outcome.violations.items():
        print(f"  {name}: {len(lines)}")
        for line in lines[:LINES]:
            print(f"    {line}")
    if outcome.violations:
        print(f"  the logs are in {outcome.folder}/logs")


def remember(outcome: Outcome) -> None:
    """Write the outcome to the folder that `--report` reads: a file for each seed."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / f"{outcome.seed}.json"
    file.write_text(json.dumps(asdict(outcome) | {"folder": str(outcome.folder)}, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--seeds", type=int, default=1, help="the number of runs, with this seed and the next ones"
    )
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--report", action="store_true", help="only write the table of docs/chaos.md anew")
    arguments = parser.parse_args()
    if arguments.report:
        report.write([json.loads(file.read_text()) for file in RESULTS.glob("*.json")])
        return
    all_options = [
        Options(seed=seed, images=arguments.images, kills=arguments.kills)
        for seed in range(arguments.seed, arguments.seed + arguments.seeds)
    ]
    usual, most = (
        sum(each) / 60 for each in zip(*((o.usual_seconds, o.most_seconds) for o in all_options), strict=True)
    )
    say(f"this takes about {usual:.0f} minutes, and at most {most:.0f}")
    is_clean = True
    for options in all_options:
        outcome = asyncio.run(run(options, say))
        show(outcome)
        remember(outcome)
        is_clean = is_clean and not outcome.violations
    sys.exit(0 if is_clean else 1)


if __name__ == "__main__":
    main()
