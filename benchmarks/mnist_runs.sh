#!/usr/bin/env bash
# K-ELBO and K-M1 on MNIST with a perceptron, 784-500-500-2x50 and back, 20 epochs each.
# Usage: benchmarks/mnist_runs.sh FOLDER_WITH_IDX_FILES [elbo|m1 ...]
# The same in an autograd framework: benchmarks/peers/mnist_autograd.py
set -euo pipefail
data=$1
shift
[ $# -gt 0 ] || set -- elbo m1
for objective in "$@"; do
    vsmnp train --quiet --preset paper-images --data-dir "$data" --objective "$objective" --samples 1 \
        --encoder-steps 1 --encoder-data same --epochs 20 --lr 1e-3 --encoder-lr 1e-3 --out "runs/mnist-$objective"
done
