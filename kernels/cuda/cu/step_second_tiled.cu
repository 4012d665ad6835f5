// A training step by many blocks, where z follows phi in a Fisher divergence: a gradient of second order.
constexpr bool SECOND_ORDER = true, JOINT = false;
#include "step_parts.cuh"
