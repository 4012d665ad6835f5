// A whole training step in one block, whose gradients are of first order.
constexpr bool SECOND_ORDER = false, JOINT = false;
#include "step_whole.cuh"
