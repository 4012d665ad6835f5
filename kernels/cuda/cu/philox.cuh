// Philox4x32-10: four random words from a counter and a key, and the uniforms and normals computed from them.
//
// Word i of a stream is lane i mod 4 of the block with the counter (i div 4, step, stream, i div 2^34) under the
// key (seed mod 2^32, seed div 2^32). Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011.
#include "real.cuh"

struct Words {
    word lane[4];
};

// Generate the words 4 block .. 4 block + 3 of a stream.
__device__ inline Words philox(wide seed, word stream, word step, wide block) {
    word c0 = (word)block, c1 = step, c2 = stream, c3 = (word)(block >> 32);
    word k0 = (word)seed, k1 = (word)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const wide p0 = (wide)0xD2511F53u * c0, p1 = (wide)0xCD9E8D57u * c2;
        c0 = (word)(p1 >> 32) ^ c1 ^ k0;
        c2 = (word)(p0 >> 32) ^ c3 ^ k1;
        c1 = (word)p1;
        c3 = (word)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return Words{{c0, c1, c2, c3}};
}

// Turn the top 24 bits of a word into a uniform in [0, 1), which is exact in float.
__device__ inline real to_uniform(word w) { return (real)(w >> 8) * (real)5.9604644775390625e-8; }

// Turn two words into two normals by Box-Muller: the first gives the radius sqrt(-2 log(1 - u)), the second the angle
// in turns.
__device__ inline void to_normals(word a, word b, real *first, real *second) {
    const real radius = sqrt((real)-2 * log1p(-to_uniform(a)));
    real sine, cosine;
    sincospi((real)2 * to_uniform(b), &sine, &cosine);
    *first = radius * cosine;
    *second = radius * sine;
}

// Convert the four words of one block to words, uniforms or normals.
struct AsWords {
    typedef word number;
    __device__ static void of(const Words &w, word *out) {
        for (int i = 0; i < 4; ++i) out[i] = w.lane[i];
    }
};

struct AsUniforms {
    typedef real number;
    __device__ static void of(const Words &w, real *out) {
        for (int i = 0; i < 4; ++i) out[i] = to_uniform(w.lane[i]);
    }
};

struct AsNormals {
    typedef real number;
    __device__ static void of(const Words &w, real *out) {
        to_normals(w.lane[0], w.lane[1], out, out + 1);
        to_normals(w.lane[2], w.lane[3], out + 2, out + 3);
    }
};
