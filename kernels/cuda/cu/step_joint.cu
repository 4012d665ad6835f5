// A whole training step in one block for the joint Fisher divergence, with second-order gradients in both networks.
constexpr bool SECOND_ORDER = true, JOINT = true;
#include "step_whole.cuh"
