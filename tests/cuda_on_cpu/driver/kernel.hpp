// Define the record by which the library of a compiled kernel describes it to the driver; one record for each kernel.
#pragma once

namespace on_cpu {

struct Kernel {
    // Run a whole grid; return an empty string, or a sentence about the error.
    const char *(*launch)(
        const unsigned *grid, const unsigned *block, void **arguments, unsigned dynamic_bytes, unsigned seed
    );
    const char *(*signature)();
    int arguments;
    const int *sizes;  // bytes of each argument
    int most_threads;  // its launch bounds
};

}  // namespace on_cpu
