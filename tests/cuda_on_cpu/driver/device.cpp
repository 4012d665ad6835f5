// Define the only device, with the properties of an H100, and the names of errors.
#include "state.hpp"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace on_cpu {

constexpr int VERSION = 13000;

struct Named {
    cudaError_t error;
    const char *runtime, *driver, *text;
};

static const Named NAMES[] = {
    {cudaSuccess, "cudaSuccess", "CUDA_SUCCESS", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {cudaErrorInvalidKernelImage, "cudaErrorInvalidKernelImage", "CUDA_ERROR_INVALID_IMAGE",
     "device kernel image is invalid"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "CUDA_ERROR_INVALID_HANDLE",
     "invalid resource handle"},
    {cudaErrorIllegalState, "cudaErrorIllegalState", "CUDA_ERROR_ILLEGAL_STATE",
     "the operation cannot be performed in the present state"},
    {cudaErrorSymbolNotFound, "cudaErrorSymbolNotFound", "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {cudaErrorNotReady, "cudaErrorNotReady", "CUDA_ERROR_NOT_READY", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "CUDA_ERROR_ILLEGAL_ADDRESS",
     "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources", "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported", "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated", "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation", "CUDA_ERROR_STREAM_CAPTURE_ISOLATION",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit", "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent", "CUDA_ERROR_CAPTURED_EVENT",
     "operation not permitted on an event last recorded in a capturing stream"},
};

static const Named &named(int error) {
    for (const Named &one : NAMES)
        if (one.error == error) return one;
    static const Named unknown{cudaErrorUnknown, "cudaErrorUnknown", "CUDA_ERROR_UNKNOWN", "unknown error"};
    return unknown;
}

cudaError_t refuse(cudaError_t error, const char *format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    std::fprintf(stderr, "[cuda on cpu] %s: %s\n", named(error).runtime, text);
    return error;
}

// Append a line of JSON for this process to the file that the environment names, if it names one.
struct Report {
    ~Report() {
        const char *const path = std::getenv("CUDA_ON_CPU_REPORT");
        std::FILE *const file = path && counts.launches ? std::fopen(path, "a") : nullptr;
        if (!file) return;
        std::fprintf(
            file,
            "{\"launches\": %ld, \"replays\": %ld, \"captures\": %ld, \"captures_lost\": %ld, \"nodes\": %ld, "
            "\"loads\": %ld, \"loads_in_capture\": %ld, \"to_device\": %ld, \"to_host\": %ld, \"waits\": %ld, "
            "\"products\": %ld, \"tf32_products\": %ld}\n",
            counts.launches, counts.replays, counts.captures, counts.captures_lost, counts.nodes, counts.loads,
            counts.loads_in_capture, counts.to_device, counts.to_host, counts.waits, counts.products,
            counts.tf32_products
        );
        std::fclose(file);
    }
};
static Report report;

}  // namespace on_cpu

using namespace on_cpu;

ENTRY const char *cudaGetErrorName(cudaError_t error) { return named(error).runtime; }
ENTRY const char *cudaGetErrorString(cudaError_t error) { return named(error).text; }
ENTRY cudaError_t cudaGetLastError() { return fatal(); }

ENTRY CUresult cuGetErrorName(CUresult error, const char **text) {
    *text = named(error).driver;
    return CUDA_SUCCESS;
}

ENTRY CUresult cuGetErrorString(CUresult error, const char **text) {
    *text = named(error).text;
    return CUDA_SUCCESS;
}

static cudaError_t give(int *place, int value) {
    *place = value;
    return cudaSuccess;
}

ENTRY cudaError_t cudaDriverGetVersion(int *version) { return give(version, VERSION); }
ENTRY cudaError_t cudaRuntimeGetVersion(int *version) { return give(version, VERSION); }
ENTRY cudaError_t cudaGetDevice(int *device) { return give(device, 0); }
ENTRY cudaError_t cudaGetDeviceCount(int *count) { return give(count, 1); }
ENTRY cudaError_t cudaSetDevice(int device) { return device ? cudaErrorInvalidDevice : cudaSuccess; }
ENTRY cudaError_t cudaDeviceGetByPCIBusId(int *device, const char *) { return give(device, 0); }
ENTRY cudaError_t cudaProfilerStart() { return cudaSuccess; }
ENTRY cudaError_t cudaProfilerStop() { return cudaSuccess; }

ENTRY cudaError_t cudaDeviceGetPCIBusId(char *text, int room, int) {
    std::snprintf(text, size_t(room), "0000:00:00.0");
    return cudaSuccess;
}

ENTRY cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
    if (device) return cudaErrorInvalidDevice;
    switch (attribute) {
        case cudaDevAttrComputeCapabilityMajor: return give(value, 9);
        case cudaDevAttrComputeCapabilityMinor: return give(value, 0);
        case cudaDevAttrMultiProcessorCount: return give(value, 132);
        case cudaDevAttrMaxSharedMemoryPerBlock: return give(value, 48 << 10);
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: return give(value, 227 << 10);
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: return give(value, 228 << 10);
        case cudaDevAttrReservedSharedMemoryPerBlock: return give(value, 1 << 10);
        case cudaDevAttrWarpSize: return give(value, 32);
        case cudaDevAttrMaxThreadsPerBlock: return give(value, 1024);
        case cudaDevAttrMaxThreadsPerMultiProcessor: return give(value, 2048);
        case cudaDevAttrMaxBlocksPerMultiprocessor: return give(value, 32);
        case cudaDevAttrMaxRegistersPerBlock:
        case cudaDevAttrMaxRegistersPerMultiprocessor: return give(value, 65536);
        case cudaDevAttrMaxBlockDimX:
        case cudaDevAttrMaxBlockDimY: return give(value, 1024);
        case cudaDevAttrMaxBlockDimZ: return give(value, 64);
        case cudaDevAttrMaxGridDimX: return give(value, 2147483647);
        case cudaDevAttrMaxGridDimY:
        case cudaDevAttrMaxGridDimZ: return give(value, 65535);
        case cudaDevAttrL2CacheSize: return give(value, 50 << 20);
        case cudaDevAttrUnifiedAddressing: return give(value, 1);
        default: return give(value, 0);
    }
}

ENTRY cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
    if (device) return cudaErrorInvalidDevice;
    std::memset(properties, 0, sizeof *properties);
    std::strcpy(properties->name, "CUDA on CPU");
    properties->major = 9;
    properties->totalGlobalMem = size_t(80) << 30;
    properties->multiProcessorCount = 132;
    properties->sharedMemPerBlock = 48 << 10;
    properties->sharedMemPerBlockOptin = 227 << 10;
    properties->sharedMemPerMultiprocessor = 228 << 10;
    properties->maxThreadsPerBlock = 1024;
    properties->maxThreadsPerMultiProcessor = 2048;
    properties->warpSize = 32;
    properties->regsPerBlock = 65536;
    properties->l2CacheSize = 50 << 20;
    properties->memoryBusWidth = 5120;
    return cudaSuccess;
}

// --- contexts: there is one, and it is current ------------------------------------------------------

static CUresult give_context(CUcontext *context) {
    *context = reinterpret_cast<CUcontext>(&report);
    return CUDA_SUCCESS;
}

ENTRY CUresult cuInit(unsigned) { return CUDA_SUCCESS; }
ENTRY CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) { return CUDA_SUCCESS; }
ENTRY CUresult cuCtxGetCurrent(CUcontext *context) { return give_context(context); }
ENTRY CUresult cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }
ENTRY CUresult cuStreamGetCtx(CUstream, CUcontext *context) { return give_context(context); }

ENTRY CUresult cuDriverGetVersion(int *version) {
    *version = VERSION;
    return CUDA_SUCCESS;
}

ENTRY CUresult cuCtxGetDevice(CUdevice *device) {
    *device = 0;
    return CUDA_SUCCESS;
}
