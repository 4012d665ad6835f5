// Allocate device memory as host pages between protected pages, filled with NaN.
//
// An address is never reused, and freed memory is unmapped: an access to it is a fault, which is converted to CUDA's
// error for an illegal address.
#include "state.hpp"

#include <csetjmp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sys/mman.h>

namespace on_cpu {

namespace {

constexpr size_t PAGE = 4096;
constexpr size_t GRAIN = 512;
constexpr size_t CAPACITY = size_t(80) << 30;

struct Block {
    size_t bytes;
    char *pages;
    size_t mapped;  // bytes between the two protected pages
};

using Blocks = std::map<const char *, Block>;
Blocks on_the_device, in_the_host;
size_t in_use = 0;

size_t rounded(size_t bytes, size_t grain) { return (bytes + grain - 1) / grain * grain; }

// The allocation ends at the end of its last page, so that an access to the next byte is a fault.
bool take(Blocks &blocks, size_t bytes, void **pointer) {
    Block block;
    block.bytes = bytes;
    block.mapped = rounded(bytes, PAGE);
    void *whole = mmap(nullptr, block.mapped + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (whole == MAP_FAILED) return false;
    block.pages = static_cast<char *>(whole) + PAGE;
    if (mprotect(block.pages, block.mapped, PROT_READ | PROT_WRITE)) return false;
    std::memset(block.pages, 0xff, block.mapped);
    char *start = block.pages + block.mapped - rounded(bytes, GRAIN);
    blocks[start] = block;
    *pointer = start;
    return true;
}

void give_back(Blocks &blocks, Blocks::iterator found) {
    const Block &block = found->second;
    // The memory is released, the addresses stay reserved.
    mmap(block.pages, block.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    blocks.erase(found);
}

bool inside(const Blocks &blocks, const void *pointer, size_t bytes) {
    const char *first = static_cast<const char *>(pointer);
    auto next = blocks.upper_bound(first);
    if (next == blocks.begin()) return false;
    const auto &[start, block] = *--next;
    return first + bytes <= start + block.bytes;
}

// --- faults -----------------------------------------------------------------------------------------

thread_local sigjmp_buf *way_out = nullptr;
struct sigaction before_us[2];

void on_fault(int signal, siginfo_t *information, void *context) {
    if (way_out) siglongjmp(*way_out, 1);
    const struct sigaction &previous = before_us[signal == SIGBUS];
    if (previous.sa_flags & SA_SIGINFO && previous.sa_sigaction) return previous.sa_sigaction(signal, information, context);
    std::signal(signal, SIG_DFL);
    raise(signal);
}

void catch_faults() {
    static thread_local bool ready = false;
    if (ready) return;
    ready = true;
    stack_t stack{};
    stack.ss_size = 64 << 10;
    stack.ss_sp = std::malloc(stack.ss_size);
    sigaltstack(&stack, nullptr);
    struct sigaction action{};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &before_us[0]);
    sigaction(SIGBUS, &action, &before_us[1]);
}

}  // namespace

cudaError_t guarded(const std::string &name, const Work &work) {
    catch_faults();
    sigjmp_buf here;
    sigjmp_buf *const outer = way_out;
    if (sigsetjmp(here, 1)) {
        way_out = outer;
        return refuse(cudaErrorIllegalAddress, "%s reads or writes where no memory of the device is", name.c_str());
    }
    way_out = &here;
    const cudaError_t error = work();
    way_out = outer;
    return error;
}

bool on_device(const void *pointer, size_t bytes) { return inside(on_the_device, pointer, bytes); }
bool pinned(const void *pointer, size_t bytes) { return inside(in_the_host, pointer, bytes); }

// --- copies -----------------------------------------------------------------------------------------

static bool touches_device(const void *pointer) { return inside(on_the_device, pointer, 0); }

static cudaMemcpyKind kind_of(void *to, const void *from, cudaMemcpyKind kind) {
    if (kind != cudaMemcpyDefault) return kind;
    if (touches_device(to)) return touches_device(from) ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice;
    return touches_device(from) ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost;
}

static cudaError_t check_side(const char *what, const void *pointer, size_t bytes, bool device) {
    if (device && !on_device(pointer, bytes))
        return refuse(cudaErrorInvalidValue, "a copy's %s is not inside memory of the device", what);
    if (!device && touches_device(pointer))
        return refuse(cudaErrorInvalidValue, "a copy's %s is memory of the device; the host's was named", what);
    return cudaSuccess;
}

static cudaError_t check_copy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    cudaError_t error = check_side("destination", to, bytes, to_device);
    if (!error) error = check_side("source", from, bytes, from_device);
    const char *const a = static_cast<const char *>(to);
    const char *const b = static_cast<const char *>(from);
    if (!error && a < b + bytes && b < a + bytes && a != b)
        error = refuse(cudaErrorInvalidValue, "the two sides of a copy overlap");
    counts.to_device += to_device && !from_device;
    counts.to_host += from_device && !to_device;
    return error;
}

static Work copy(void *to, const void *from, size_t bytes) {
    return [=] {
        std::memcpy(to, from, bytes);
        return cudaSuccess;
    };
}

static Work copy_of_now(void *to, const void *from, size_t bytes) {
    const char *const first = static_cast<const char *>(from);
    auto staged = std::make_shared<std::vector<char>>(first, first + bytes);
    return [=] {
        std::memcpy(to, staged->data(), bytes);
        return cudaSuccess;
    };
}

static cudaError_t finish_stream(cudaStream_t handle) {
    const Stream *stream = stream_of(handle);
    return stream ? finish(stream->last) : cudaErrorInvalidResourceHandle;
}

// Follow the documentation on API synchronization behavior: pageable memory is read and written before the call
// returns, pinned memory is accessed later.
static cudaError_t copy_on(
    cudaStream_t handle, void *to, const void *from, size_t bytes, cudaMemcpyKind given, bool wait
) {
    if (!bytes) return fatal();
    const cudaMemcpyKind kind = kind_of(to, from, given);
    cudaError_t error = check_copy(to, from, bytes, kind);
    if (error) return error;
    const Stream *stream = stream_of(handle);
    const bool host_reads = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyHostToHost;
    const bool host_writes = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyHostToHost;
    const bool pageable = (host_reads && !pinned(from, bytes)) || (host_writes && !pinned(to, bytes));
    if (stream && stream->capture && pageable) {
        invalidate_captures();
        return refuse(cudaErrorStreamCaptureUnsupported, "a copy of pageable memory is captured");
    }
    if (wait && !is_legacy(stream)) return cudaErrorInvalidValue;
    const bool now = host_reads && pageable;
    error = submit(handle, "copy", now ? copy_of_now(to, from, bytes) : copy(to, from, bytes));
    if (error) return error;
    const bool returns_when_done = host_writes && (pageable || wait);
    const bool waits_for_pinned = wait && host_reads && !pageable;
    return returns_when_done || waits_for_pinned ? finish_stream(handle) : fatal();
}

static cudaError_t set_on(cudaStream_t handle, void *to, int value, size_t bytes) {
    if (!bytes) return fatal();
    if (!on_device(to, bytes)) return refuse(cudaErrorInvalidValue, "cudaMemset is not inside memory of the device");
    return submit(handle, "memset", [=] {
        std::memset(to, value, bytes);
        return cudaSuccess;
    });
}

// The following calls allocate, free or set memory: they are unsafe while a stream is captured, except in relaxed mode.
static cudaError_t check_unsafe(const char *name) {
    if (fatal()) return fatal();
    if (!unsafe_prohibited()) return cudaSuccess;
    invalidate_captures();
    return refuse(cudaErrorStreamCaptureUnsupported, "%s while a stream is captured in a mode that is not relaxed", name);
}

static cudaError_t free_from(Blocks &blocks, void *pointer, const char *name) {
    const cudaError_t error = check_unsafe(name);
    if (error || !pointer) return error;
    const auto found = blocks.find(static_cast<char *>(pointer));
    if (found == blocks.end()) return refuse(cudaErrorInvalidValue, "%s of what was not allocated, or was freed", name);
    const cudaError_t last = finish_everything();  // cudaFree synchronises with the device
    if (&blocks == &on_the_device) in_use -= found->second.bytes;
    give_back(blocks, found);
    return last;
}

}  // namespace on_cpu

using namespace on_cpu;

ENTRY cudaError_t cudaMalloc(void **pointer, size_t bytes) {
    Inside inside(door);
    *pointer = nullptr;
    const cudaError_t error = check_unsafe("cudaMalloc");
    if (error || !bytes) return error;
    if (bytes > CAPACITY - in_use || !take(on_the_device, bytes, pointer)) return cudaErrorMemoryAllocation;
    in_use += bytes;
    return cudaSuccess;
}

ENTRY cudaError_t cudaFree(void *pointer) {
    Inside inside(door);
    return free_from(on_the_device, pointer, "cudaFree");
}

ENTRY cudaError_t cudaHostAlloc(void **pointer, size_t bytes, unsigned) {
    Inside inside(door);
    *pointer = nullptr;
    const cudaError_t error = check_unsafe("cudaHostAlloc");
    if (error || !bytes) return error;
    return take(in_the_host, bytes, pointer) ? cudaSuccess : cudaErrorMemoryAllocation;
}

ENTRY cudaError_t cudaFreeHost(void *pointer) {
    Inside inside(door);
    return free_from(in_the_host, pointer, "cudaFreeHost");
}

ENTRY cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
    Inside inside(door);
    *total = CAPACITY;
    *available = CAPACITY - in_use;
    return cudaSuccess;
}

ENTRY cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
    Inside inside(door);
    counts.waits++;
    return copy_on(nullptr, to, from, bytes, kind, true);
}

ENTRY cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    Inside inside(door);
    return copy_on(stream, to, from, bytes, kind, false);
}

ENTRY cudaError_t cudaMemset(void *to, int value, size_t bytes) {
    Inside inside(door);
    return set_on(nullptr, to, value, bytes);
}

ENTRY cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
    Inside inside(door);
    return set_on(stream, to, value, bytes);
}

ENTRY cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *attributes, const void *pointer) {
    Inside inside(door);
    std::memset(attributes, 0, sizeof *attributes);
    void *const address = const_cast<void *>(pointer);
    const bool device = on_device(pointer, 0);
    const bool host = pinned(pointer, 0);
    attributes->type = device ? cudaMemoryTypeDevice : host ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered;
    attributes->devicePointer = device || host ? address : nullptr;
    attributes->hostPointer = device ? nullptr : address;
    return cudaSuccess;
}
