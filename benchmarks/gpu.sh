#!/usr/bin/env bash
# Run all measurements on a GPU in one command of less than nine and a half minutes: install the tree without a
# registry, compile, train by `vsmnp train --objective m2 --device gpu`, test, measure, run the sanitizers and a
# profile. Each part has its own time limit, and gpu.json and gpu.md in $OUT (default: benchmarks/results) contain
# every row as soon as it is known. Names of parts select parts: benchmarks/gpu.sh compile train.
# PYTHON names the interpreter (default python3); CuPy, pytest and hypothesis must be installed. BUDGET is
# the time limit of all parts together, in seconds. REHEARSAL=1 makes every part small, for a trial on a CPU.
set -uo pipefail
here=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
out=${OUT:-$PWD/results}
case $out in /*) ;; *) out=$here/$out ;; esac
# Machine code goes to a folder of its own: platformdirs, which names the user's cache, may be missing on such a machine.
export NUMBA_CACHE_DIR=${NUMBA_CACHE_DIR:-$(mktemp -d)}
exec "${PYTHON:-python3}" -m gpu "$out" "$@"
