// A training step by many blocks where z follows phi in a Fisher divergence, with a second-order gradient.
constexpr bool SECOND_ORDER = true, JOINT = false;
#include "step_parts.cuh"
