// Implement cuBLAS for strided-batched products of float and double on the driver's streams; refuse all other calls.
#include "state.hpp"

#include <cstdlib>
#include <cstring>

namespace on_cpu {

enum Status { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, EXECUTION_FAILED = 13 };
enum { PLAIN = 0, TF32_MATH = 3, WORKSPACE_GRAIN = 256 };

struct Handle {
    cudaStream_t stream = nullptr;
    void *workspace = nullptr;
    int math = PLAIN;
};

static Status wrong(const char *text) {
    refuse(cudaErrorInvalidValue, "cuBLAS: %s", text);
    return INVALID_VALUE;
}

// A batch of matrices stored by columns.
template <class T>
struct Matrices {
    T *first;
    int leading;
    long long stride;

    T *at(int batch, int column) const { return first + batch * stride + (long long)column * leading; }

    bool fit(int rows, int columns, int batch) const {
        const long long elements = (batch - 1) * stride + (long long)(columns - 1) * leading + rows;
        return leading >= std::max(1, rows) && on_device(first, size_t(elements) * sizeof(T));
    }
};

static double rounded(double x) { return x; }

// Round to 10 fraction bits, to nearest with ties to even.
static float rounded(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    if ((bits >> 23 & 0xff) == 0xff) return x;
    bits += 0x0fff + (bits >> 13 & 1);
    bits &= ~0x1fffu;
    std::memcpy(&x, &bits, sizeof bits);
    return x;
}

template <class T>
struct Product {
    bool a_transposed, b_transposed, tf32;
    int rows, columns, inner, batch;
    T alpha, beta;
    Matrices<const T> a, b;
    Matrices<T> c;

    T factor(T x) const { return tf32 ? rounded(x) : x; }

    bool valid() const {
        return a.fit(a_transposed ? inner : rows, a_transposed ? rows : inner, batch) &&
               b.fit(b_transposed ? columns : inner, b_transposed ? inner : columns, batch) &&
               c.fit(rows, columns, batch);
    }

    T a_at(int m, int i, int l) const { return factor(a_transposed ? a.at(m, i)[l] : a.at(m, l)[i]); }
    T b_at(int m, int l, int j) const { return factor(b_transposed ? b.at(m, l)[j] : b.at(m, j)[l]); }

    cudaError_t run() const {
        std::vector<T> left(size_t(rows) * inner), sum(rows);
        for (int m = 0; m < batch; ++m) {
            for (int l = 0; l < inner; ++l)
                for (int i = 0; i < rows; ++i) left[size_t(l) * rows + i] = a_at(m, i, l);
            for (int j = 0; j < columns; ++j) {
                std::fill(sum.begin(), sum.end(), T(0));
                for (int l = 0; l < inner; ++l) {
                    const T right = b_at(m, l, j);
                    const T *const column = left.data() + size_t(l) * rows;
                    for (int i = 0; i < rows; ++i) sum[i] += column[i] * right;
                }
                T *const out = c.at(m, j);
                // Where beta is 0, c is not read: it may be NaN.
                for (int i = 0; i < rows; ++i) out[i] = alpha * sum[i] + (beta != 0 ? beta * out[i] : T(0));
            }
        }
        return cudaSuccess;
    }
};

template <class T>
static Status multiply(const Handle *handle, const Product<T> &product) {
    if (!handle) return NOT_INITIALIZED;
    if (product.rows < 0 || product.columns < 0 || product.inner < 0 || product.batch < 0)
        return wrong("a size is negative");
    if (!product.rows || !product.columns || !product.inner || !product.batch) return wrong("an empty product");
    if (!product.valid()) return wrong("a leading dimension is too small, or a matrix is not inside device memory");
    const Stream *const stream = stream_of(handle->stream);
    if (stream && stream->capture && !handle->workspace) return wrong("a product is captured without a workspace");
    counts.products++;
    counts.tf32_products += product.tf32;
    return submit(handle->stream, "gemm", [product] { return product.run(); }) ? EXECUTION_FAILED : SUCCESS;
}

}  // namespace on_cpu

using namespace on_cpu;

ENTRY int cublasCreate_v2(Handle **handle) {
    *handle = new Handle;
    return SUCCESS;
}

ENTRY int cublasDestroy_v2(Handle *handle) {
    delete handle;
    return SUCCESS;
}

ENTRY int cublasSetStream_v2(Handle *handle, cudaStream_t stream) {
    Inside inside(door);
    if (!stream_of(stream)) return wrong("something that is no stream");
    handle->stream = stream;
    handle->workspace = nullptr;  // cublasSetStream restores the default workspace
    return SUCCESS;
}

ENTRY int cublasGetStream_v2(Handle *handle, cudaStream_t *stream) {
    *stream = handle->stream;
    return SUCCESS;
}

ENTRY int cublasSetWorkspace_v2(Handle *handle, void *workspace, size_t bytes) {
    Inside inside(door);
    if (reinterpret_cast<uintptr_t>(workspace) % WORKSPACE_GRAIN) return wrong("the workspace is not aligned to 256 bytes");
    if (!on_device(workspace, bytes)) return wrong("the workspace is not inside device memory");
    handle->workspace = workspace;
    return SUCCESS;
}

ENTRY int cublasSetMathMode(Handle *handle, int mode) {
    handle->math = mode;
    return SUCCESS;
}

ENTRY int cublasGetMathMode(Handle *handle, int *mode) {
    *mode = handle->math;
    return SUCCESS;
}

ENTRY int cublasGetVersion_v2(Handle *, int *version) {
    *version = 130000;
    return SUCCESS;
}

#define PRODUCT(name, T)                                                                                             \
    ENTRY int name(                                                                                                  \
        Handle *handle, int a_operation, int b_operation, int rows, int columns, int inner, const T *alpha,          \
        const T *a, int a_leading, long long a_stride, const T *b, int b_leading, long long b_stride, const T *beta, \
        T *c, int c_leading, long long c_stride, int batch                                                           \
    ) {                                                                                                              \
        Inside inside(door);                                                                                         \
        const bool tf32 = handle && handle->math == TF32_MATH && sizeof(T) == sizeof(float);                         \
        const Product<T> product{                                                                                    \
            a_operation != PLAIN,      b_operation != PLAIN,      tf32,                    rows, columns, inner,     \
            batch,                     *alpha,                    *beta,                   {a, a_leading, a_stride}, \
            {b, b_leading, b_stride},  {c, c_leading, c_stride}};                                                    \
        return multiply(handle, product);                                                                            \
    }
PRODUCT(cublasSgemmStridedBatched, float)
PRODUCT(cublasDgemmStridedBatched, double)
