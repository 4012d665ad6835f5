// What a compiled kernel tells the driver: one record for each, exported by the library that holds it.
#pragma once

namespace on_cpu {

struct Kernel {
    // Runs a whole grid; what it returns is empty, or says what went wrong.
    const char *(*launch)(
        const unsigned *grid, const unsigned *block, void **arguments, unsigned dynamic_bytes, unsigned seed
    );
    const char *(*signature)();
    int arguments;
    const int *sizes;  // bytes of each argument
    int most_threads;  // its launch bounds
};

}  // namespace on_cpu
