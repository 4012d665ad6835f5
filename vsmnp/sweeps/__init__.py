"""Train many runs, the cells of a sweep, in packs, on the processes of this machine or of many."""
