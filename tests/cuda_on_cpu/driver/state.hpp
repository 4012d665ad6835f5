// Declare what the files of the driver share: operations, streams, captures and the registry of memory.
//
// Work on a stream runs only when a call synchronises with it. An operation lists the operations that it depends on,
// and `finish` executes one operation after these and no others: the latest schedule that CUDA allows, so that a missing
// synchronisation in a program changes its results.
#pragma once
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#define ENTRY extern "C" __attribute__((visibility("default")))

namespace on_cpu __attribute__((visibility("default"))) {

// --- properties of the device --------------------------------------------------------------------

using Work = std::function<cudaError_t()>;

struct Operation {
    std::string name;
    Work work;
    std::vector<std::shared_ptr<Operation>> after;
    bool done = false;
};
using OperationPointer = std::shared_ptr<Operation>;

struct Node {
    std::string name;
    Work work;
};

struct Graph {
    std::vector<Node> nodes;
};

struct Capture {
    cudaStreamCaptureMode mode;
    bool invalid = false;
    Graph graph;
};

struct Stream {
    unsigned flags = 0;
    OperationPointer last;
    std::unique_ptr<Capture> capture;

    bool blocking() const { return !(flags & cudaStreamNonBlocking); }
};

// --- counts for the report at the end of the process ----------------------------------------

struct Counts {
    long launches = 0, replays = 0, captures = 0, captures_lost = 0, nodes = 0;
    long loads = 0, loads_in_capture = 0;
    long to_device = 0, to_host = 0, waits = 0;
    long products = 0, tf32_products = 0;
};
extern Counts counts;

// Every entry point locks this mutex.
extern std::recursive_mutex door;
using Inside = std::lock_guard<std::recursive_mutex>;

// Print the reason to stderr and return the error.
cudaError_t refuse(cudaError_t error, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The first error of an operation; every later call returns it, as CUDA does after a fault in a kernel.
cudaError_t fatal();

// --- streams ----------------------------------------------------------------------------------------

// Find the stream of a handle: the legacy stream for 0 and 1, null if the handle is invalid.
Stream *stream_of(cudaStream_t handle);
bool is_legacy(const Stream *stream);

// Append work to a stream, or to the graph that is captured from it.
cudaError_t submit(cudaStream_t handle, const std::string &name, Work work);

// Execute an operation and all that it depends on.
cudaError_t finish(const OperationPointer &operation);
cudaError_t finish_everything();

bool any_capture();
// Return whether an unsafe call is prohibited now because a stream is captured in a mode that is not relaxed.
bool unsafe_prohibited();
// Invalidate all captures.
void invalidate_captures();

// --- memory -----------------------------------------------------------------------------------------

// Return whether n bytes lie inside one allocation of the device.
bool on_device(const void *pointer, size_t bytes);
bool pinned(const void *pointer, size_t bytes);

// Run work; an access to unmapped memory returns cudaErrorIllegalAddress.
cudaError_t guarded(const std::string &name, const Work &work);

}  // namespace on_cpu
