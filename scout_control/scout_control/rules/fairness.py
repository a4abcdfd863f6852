"""How owners share the lanes of the workers."""

from __future__ import annotations

from datetime import timedelta

URGENT = 1_000_000
"""Added to the priority of what comes before everything that is only due."""
MOST_WISHES = 5
"""Of the runs that an owner asked for by hand, so many at once come before what is only due."""
LONGEST_WAIT = timedelta(minutes=10)
"""What has waited for so long comes before what is only due, too."""
SLICE = timedelta(minutes=1)
"""How long a run keeps its lane while other owners wait for one."""
LONGEST_SLICES = 60
"""Each attempt at a run gets twice the slice of the one before, up to so many: some plugins give
no STATE before their end, and would never reach it."""
PATIENCE = timedelta(seconds=30)
"""For how long others must have waited: a lane that is free takes a run within seconds."""
ASK_AGAIN = timedelta(seconds=10)
"""How often a run asks whether its lane is wanted."""
