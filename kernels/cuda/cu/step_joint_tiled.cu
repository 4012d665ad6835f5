// A training step by many blocks, of the joint Fisher divergence: a gradient of second order in both networks.
constexpr bool SECOND_ORDER = true, JOINT = true;
#include "step_parts.cuh"
