"""The parts of `benchmarks/gpu.sh`: each a process with its own time limit, recorded while it runs."""
