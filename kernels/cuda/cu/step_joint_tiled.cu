// A training step by many blocks for the joint Fisher divergence, with second-order gradients in both networks.
constexpr bool SECOND_ORDER = true, JOINT = true;
#include "step_parts.cuh"
