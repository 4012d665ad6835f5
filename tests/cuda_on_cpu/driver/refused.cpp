// Entry points that CuPy looks up and this driver does not have: they say so.
#include <cstdio>

#define REFUSE(name)                                                                                                 \
    extern "C" __attribute__((visibility("default"))) int name() {                                                  \
        std::fprintf(stderr, "[cuda on cpu] " #name " is not modelled\n");                                          \
        return 801;                                                                                                  \
    }
#include REFUSED
