// A whole training step in one block where z follows phi in a Fisher divergence, with a second-order gradient.
constexpr bool SECOND_ORDER = true, JOINT = false;
#include "step_whole.cuh"
