"""The engines on which work is done: local processes, Dask and Slurm, each behind an executor."""
