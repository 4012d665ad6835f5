"""The parts of `benchmarks/gpu.sh`: each a process with a time limit of its own, recorded while it runs."""
