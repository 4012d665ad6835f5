"""Run campaigns of faults in this process, which the library of ``shim.c`` was preloaded into.

``python campaign.py PLACE NAME [--part I --parts N --trials M --seconds S --only WHAT --plant FAULT]``
prints the counts of each campaign as JSON. ``test_faults.py`` starts it.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from faults import calls, fuzz, power_loss, races
from faults.commands import WORKS, warm
from faults.plants import PLANTED
from faults.share import Share

CAMPAIGNS = {
    "calls": partial(calls.campaign, kills=False),
    "kills": partial(calls.campaign, kills=True),
    "power": power_loss.campaign,
    "races": races.campaign,
    "fuzz": fuzz.campaign,
}


def main() -> None:
    """Read the arguments, run the campaigns and print what they counted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=Path)
    parser.add_argument("names", choices=CAMPAIGNS, nargs="+")
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--trials", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--plant", choices=PLANTED)
    given = parser.parse_args()
    place = given.place.resolve()
    place.mkdir(parents=True, exist_ok=True)
    chosen = {name for each in given.only for name in each.split(", ")} & set(WORKS)
    warm(place, chosen or (() if given.names == ["fuzz"] else WORKS))
    if given.plant is not None:
        PLANTED[given.plant]()
    found = {}
    for name in given.names:
        share = Share(given.part, given.parts, given.trials, given.seconds)
        counts = CAMPAIGNS[name](place / name, share, names=tuple(given.only))
        counts.skipped = share.left
        found[name] = counts.as_json()
        counts.progress(name)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
