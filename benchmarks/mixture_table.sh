#!/usr/bin/env bash
# Every learning objective under KL and Fisher inference on the mixture, three seeds each: one table.
# Usage: benchmarks/mixture_table.sh [FOLDER]
set -euo pipefail
folder=${1:-runs/mixture-table}
for inference in kl fisher; do
    for objective in elbo m1 m2 m3 "m2 --as-published" "m3 --as-published"; do
        name="$inference-${objective// --/-}"
        # shellcheck disable=SC2086 # the objective may carry a flag
        [ -e "$folder/$name/samples.png" ] || vsmnp train --quiet --preset paper-2d --dataset mixture \
            --inference "$inference" --objective $objective --encoder-steps 2 --samples 5 --steps 5000 --lr 1e-3 \
            --seeds 0-2 --out "$folder/$name"
    done
done
vsmnp compare --out "$folder/comparison.png" "$folder"/*/
