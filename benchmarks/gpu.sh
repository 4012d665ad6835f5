#!/usr/bin/env bash
# Everything that a GPU can settle, in one command and nine minutes: installs the tree without asking a registry,
# runs the tests, the sanitizers and the measurements, and writes gpu.json and gpu.md to $OUT (default:
# benchmarks/results). PYTHON names the interpreter (default python3); CuPy, pytest and hypothesis must be there.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" benchmarks/gpu_report.py "${OUT:-benchmarks/results}"
