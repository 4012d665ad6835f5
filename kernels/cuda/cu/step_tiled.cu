// A training step by many blocks, whose gradients are of first order.
constexpr bool SECOND_ORDER = false, JOINT = false;
#include "step_parts.cuh"
