"""Find out whether M2 and M3 fail, or the published script computes something else."""
