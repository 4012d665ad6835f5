// A training step by many blocks, with gradients of first order.
constexpr bool SECOND_ORDER = false, JOINT = false;
#include "step_parts.cuh"
