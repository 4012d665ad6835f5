// A whole training step in one block, with gradients of first order.
constexpr bool SECOND_ORDER = false, JOINT = false;
#include "step_whole.cuh"
