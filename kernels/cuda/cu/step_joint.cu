// A whole training step in one block, of the joint Fisher divergence: a gradient of second order in both networks.
constexpr bool SECOND_ORDER = true, JOINT = true;
#include "step_whole.cuh"
