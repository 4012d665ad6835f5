#!/usr/bin/env bash
# Everything that a GPU can settle, in one command of less than nine and a half minutes: installs the tree
# without asking a registry, compiles, trains by the headline command, tests, measures, runs the sanitizers and
# a profile. Each part has a limit of its own, and gpu.json and gpu.md in $OUT (default: benchmarks/results) hold
# every row as soon as it is known. Names of parts choose some: benchmarks/gpu.sh compile train.
# PYTHON names the interpreter (default python3); CuPy, pytest and hypothesis must be there. BUDGET is
# the seconds of all parts together. REHEARSAL=1 makes everything small, where a CPU stands for the card.
set -uo pipefail
here=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
out=${OUT:-$PWD/results}
case $out in /*) ;; *) out=$here/$out ;; esac
# Machine code goes to a folder of its own: platformdirs, which names the user's cache, may be missing on such a machine.
export NUMBA_CACHE_DIR=${NUMBA_CACHE_DIR:-$(mktemp -d)}
exec "${PYTHON:-python3}" -m gpu "$out" "$@"
