"""Parts of `benchmarks/gpu.sh`: each is a process with its own time limit, recorded while it runs."""
