#!/usr/bin/env bash
# K-ELBO and K-M1 on MNIST with a perceptron, 784-500-500-2x50 and back, 20 epochs each.
# Usage: [SEED=0] benchmarks/mnist_runs.sh FOLDER_WITH_IDX_FILES
# The same in an autograd framework: benchmarks/peers/mnist_autograd.py
set -euo pipefail
seed=${SEED:-0}
for objective in elbo m1; do
    vsmnp train --quiet --preset paper-images --data-dir "$1" --objective "$objective" --samples 1 \
        --encoder-steps 1 --encoder-data same --epochs 20 --lr 1e-3 --encoder-lr 1e-3 --seed "$seed" \
        --out "runs/mnist-$objective-seed$seed"
done
