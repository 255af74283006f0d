"""Put on the path of a worker, this takes the fence out of its completion statements. The checker must then object."""

import os
from pathlib import Path

from taskflow.db import queries

FENCE = "t.lease_epoch = o.epoch AND "
_load = queries.load


def load(*where):
    """Load statements without their fence, and leave a proof."""
    found = _load(*where)
    for name in ("complete", "finish"):
        text = getattr(found, name, "")
        if FENCE in text:
            setattr(found, name, text.replace(FENCE, ""))
            Path(os.environ["CHAOS_MUTATED"]).touch()
    return found


queries.load = load
