// Implement streams, events, captures and graphs, with the rules of CUDA's documentation on stream capture.
#include "state.hpp"

#include <chrono>
#include <deque>
#include <map>
#include <set>

namespace on_cpu {

std::recursive_mutex door;
Counts counts;

namespace {

constexpr size_t MOST_PENDING = 1024;

Stream legacy;
std::set<Stream *> streams;
std::deque<OperationPointer> pending;
cudaError_t sticky = cudaSuccess;

struct Event {
    OperationPointer recorded;
    bool captured = false;
    bool timed = true;
    std::chrono::steady_clock::time_point when;
};

std::map<cudaEvent_t, std::shared_ptr<Event>> events;

std::shared_ptr<Event> event_of(cudaEvent_t handle) {
    const auto found = events.find(handle);
    return found == events.end() ? nullptr : found->second;
}

bool blocking_capture() {
    for (const Stream *stream : streams)
        if (stream->capture && stream->blocking()) return true;
    return false;
}

void carry_out(Operation &operation) {
    if (operation.done) return;
    operation.done = true;
    if (sticky == cudaSuccess) sticky = guarded(operation.name, operation.work);
    operation.work = nullptr;
    operation.after.clear();
}

void forget_finished() {
    while (!pending.empty() && pending.front()->done) pending.pop_front();
}

OperationPointer enqueue(Stream *stream, const std::string &name, Work work) {
    auto operation = std::make_shared<Operation>();
    operation->name = name;
    operation->work = std::move(work);
    auto comes_after = [&](const OperationPointer &before) {
        if (before && !before->done) operation->after.push_back(before);
    };
    comes_after(stream->last);
    if (is_legacy(stream)) {
        for (const Stream *other : streams)
            if (other->blocking()) comes_after(other->last);
    } else if (stream->blocking()) {
        comes_after(legacy.last);
    }
    stream->last = operation;
    pending.push_back(operation);
    forget_finished();
    if (pending.size() > MOST_PENDING) finish(pending.front());
    return operation;
}

cudaError_t legacy_in_capture(const std::string &name) {
    invalidate_captures();
    return refuse(cudaErrorStreamCaptureImplicit, "%s uses the legacy stream while a blocking stream is captured",
                  name.c_str());
}

// Refuse a call that synchronises while streams are captured.
cudaError_t check_wait(const char *name, const Stream *stream) {
    counts.waits++;
    if (is_legacy(stream) && blocking_capture()) return legacy_in_capture(name);
    if (stream->capture || unsafe_prohibited()) {
        invalidate_captures();
        return refuse(cudaErrorStreamCaptureUnsupported, "%s waits for a stream that is captured", name);
    }
    return fatal();
}

cudaError_t no_stream(const char *name) {
    return refuse(cudaErrorInvalidResourceHandle, "%s was given something that is no stream", name);
}

cudaError_t no_event(const char *name) {
    return refuse(cudaErrorInvalidResourceHandle, "%s was given something that is no event", name);
}

// Report not ready at the first query: a program that polls continues, and one that queries once never succeeds by
// chance.
cudaError_t query(const OperationPointer &operation) {
    if (!operation || operation->done) return fatal();
    const cudaError_t error = finish(operation);
    return error ? error : cudaErrorNotReady;
}

}  // namespace

// --- operations -------------------------------------------------------------------------------------

cudaError_t fatal() { return sticky; }

bool is_legacy(const Stream *stream) { return stream == &legacy; }

Stream *stream_of(cudaStream_t handle) {
    if (handle == nullptr || handle == cudaStreamLegacy) return &legacy;
    Stream *stream = reinterpret_cast<Stream *>(handle);
    return streams.count(stream) ? stream : nullptr;
}

bool any_capture() {
    for (const Stream *stream : streams)
        if (stream->capture) return true;
    return false;
}

bool unsafe_prohibited() {
    for (const Stream *stream : streams)
        if (stream->capture && stream->capture->mode != cudaStreamCaptureModeRelaxed) return true;
    return false;
}

void invalidate_captures() {
    for (Stream *stream : streams)
        if (stream->capture) stream->capture->invalid = true;
}

cudaError_t submit(cudaStream_t handle, const std::string &name, Work work) {
    if (fatal()) return fatal();
    Stream *stream = stream_of(handle);
    if (!stream) return no_stream(name.c_str());
    if (is_legacy(stream) && blocking_capture()) return legacy_in_capture(name);
    if (!stream->capture) {
        enqueue(stream, name, std::move(work));
        return cudaSuccess;
    }
    if (stream->capture->invalid) return cudaErrorStreamCaptureInvalidated;
    stream->capture->graph.nodes.push_back(Node{name, std::move(work)});
    return cudaSuccess;
}

cudaError_t finish(const OperationPointer &operation) {
    if (!operation) return fatal();
    std::vector<OperationPointer> way{operation};
    while (!way.empty()) {
        const OperationPointer next = way.back();
        OperationPointer before;
        for (const OperationPointer &candidate : next->after)
            if (!candidate->done) before = candidate;
        if (before) {
            way.push_back(before);
        } else {
            way.pop_back();
            carry_out(*next);
        }
    }
    forget_finished();
    return fatal();
}

cudaError_t finish_everything() {
    while (!pending.empty()) {
        finish(pending.front());
        forget_finished();
    }
    return fatal();
}

}  // namespace on_cpu

using namespace on_cpu;

// --- streams ----------------------------------------------------------------------------------------

ENTRY cudaError_t cudaStreamCreateWithFlags(cudaStream_t *handle, unsigned flags) {
    Inside inside(door);
    Stream *stream = new Stream;
    stream->flags = flags;
    streams.insert(stream);
    *handle = reinterpret_cast<cudaStream_t>(stream);
    return cudaSuccess;
}

ENTRY cudaError_t cudaStreamCreate(cudaStream_t *handle) { return cudaStreamCreateWithFlags(handle, 0); }

ENTRY cudaError_t cudaStreamCreateWithPriority(cudaStream_t *handle, unsigned flags, int) {
    return cudaStreamCreateWithFlags(handle, flags);
}

ENTRY cudaError_t cudaStreamGetFlags(cudaStream_t handle, unsigned *flags) {
    Inside inside(door);
    const Stream *stream = stream_of(handle);
    if (!stream) return no_stream("cudaStreamGetFlags");
    *flags = stream->flags;
    return cudaSuccess;
}

ENTRY cudaError_t cudaStreamGetPriority(cudaStream_t, int *priority) {
    *priority = 0;
    return cudaSuccess;
}

ENTRY cudaError_t cudaStreamDestroy(cudaStream_t handle) {
    Inside inside(door);
    Stream *stream = stream_of(handle);
    if (!stream || is_legacy(stream)) return no_stream("cudaStreamDestroy");
    if (stream->last) finish(stream->last);  // CUDA may finish the work later, which a program cannot observe
    streams.erase(stream);
    return cudaSuccess;
}

ENTRY cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
    Inside inside(door);
    const Stream *stream = stream_of(handle);
    if (!stream) return no_stream("cudaStreamSynchronize");
    const cudaError_t error = check_wait("cudaStreamSynchronize", stream);
    return error ? error : finish(stream->last);
}

ENTRY cudaError_t cudaStreamQuery(cudaStream_t handle) {
    Inside inside(door);
    const Stream *stream = stream_of(handle);
    if (!stream) return no_stream("cudaStreamQuery");
    const cudaError_t error = check_wait("cudaStreamQuery", stream);
    return error ? error : query(stream->last);
}

ENTRY cudaError_t cudaDeviceSynchronize() {
    Inside inside(door);
    counts.waits++;
    if (any_capture()) {
        invalidate_captures();
        return refuse(cudaErrorStreamCaptureUnsupported, "cudaDeviceSynchronize while a stream is captured");
    }
    return finish_everything();
}

ENTRY cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned) {
    Inside inside(door);
    Stream *stream = stream_of(handle);
    if (!stream) return no_stream("cudaStreamWaitEvent");
    const auto event = event_of(event_handle);
    if (!event) return no_event("cudaStreamWaitEvent");
    if (event->captured != bool(stream->capture)) {
        invalidate_captures();
        return refuse(cudaErrorStreamCaptureIsolation,
                      "cudaStreamWaitEvent: the event and the stream are not of the same capture (forks of a capture "
                      "are not modelled here)");
    }
    if (stream->capture || !event->recorded) return fatal();
    enqueue(stream, "wait for an event", [] { return cudaSuccess; })->after.push_back(event->recorded);
    return fatal();
}

// --- events -----------------------------------------------------------------------------------------

ENTRY cudaError_t cudaEventCreateWithFlags(cudaEvent_t *handle, unsigned flags) {
    Inside inside(door);
    auto event = std::make_shared<Event>();
    event->timed = !(flags & cudaEventDisableTiming);
    *handle = reinterpret_cast<cudaEvent_t>(event.get());
    events[*handle] = event;
    return cudaSuccess;
}

ENTRY cudaError_t cudaEventCreate(cudaEvent_t *handle) { return cudaEventCreateWithFlags(handle, 0); }

ENTRY cudaError_t cudaEventDestroy(cudaEvent_t handle) {
    Inside inside(door);
    return events.erase(handle) ? cudaSuccess : no_event("cudaEventDestroy");
}

ENTRY cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
    Inside inside(door);
    if (fatal()) return fatal();
    const auto event = event_of(handle);
    if (!event) return no_event("cudaEventRecord");
    Stream *stream = stream_of(stream_handle);
    if (!stream) return no_stream("cudaEventRecord");
    if (is_legacy(stream) && blocking_capture()) return legacy_in_capture("cudaEventRecord");
    event->captured = bool(stream->capture);
    if (event->captured) return cudaSuccess;
    event->recorded = enqueue(stream, "event", [event] {
        event->when = std::chrono::steady_clock::now();
        return cudaSuccess;
    });
    return cudaSuccess;
}

static cudaError_t captured_event(const char *name) {
    invalidate_captures();
    return refuse(cudaErrorCapturedEvent, "%s of an event that was recorded in a capture", name);
}

ENTRY cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
    Inside inside(door);
    counts.waits++;
    const auto event = event_of(handle);
    if (!event) return no_event("cudaEventSynchronize");
    if (event->captured) return captured_event("cudaEventSynchronize");
    if (unsafe_prohibited()) {
        invalidate_captures();
        return refuse(cudaErrorStreamCaptureUnsupported, "cudaEventSynchronize while a stream is captured");
    }
    return finish(event->recorded);
}

ENTRY cudaError_t cudaEventQuery(cudaEvent_t handle) {
    Inside inside(door);
    const auto event = event_of(handle);
    if (!event) return no_event("cudaEventQuery");
    return event->captured ? captured_event("cudaEventQuery") : query(event->recorded);
}

ENTRY cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t first, cudaEvent_t second) {
    Inside inside(door);
    const auto start = event_of(first);
    const auto end = event_of(second);
    if (!start || !end || !start->timed || !end->timed || !start->recorded || !end->recorded)
        return refuse(cudaErrorInvalidResourceHandle, "cudaEventElapsedTime needs two recorded events with times");
    if (!start->recorded->done || !end->recorded->done) return cudaErrorNotReady;
    *milliseconds = std::chrono::duration<float, std::milli>(end->when - start->when).count();
    return fatal();
}

// --- captures and graphs ----------------------------------------------------------------------------

ENTRY cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
    Inside inside(door);
    Stream *stream = stream_of(handle);
    if (!stream) return no_stream("cudaStreamBeginCapture");
    if (is_legacy(stream))
        return refuse(cudaErrorStreamCaptureUnsupported, "the legacy stream cannot be captured");
    if (stream->capture) return refuse(cudaErrorIllegalState, "the stream is captured already");
    stream->capture = std::make_unique<Capture>();
    stream->capture->mode = mode;
    counts.captures++;
    return fatal();
}

ENTRY cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *graph) {
    Inside inside(door);
    Stream *stream = stream_of(handle);
    *graph = nullptr;
    if (!stream) return no_stream("cudaStreamEndCapture");
    if (!stream->capture) return refuse(cudaErrorIllegalState, "the stream is not captured");
    const std::unique_ptr<Capture> capture = std::move(stream->capture);
    if (capture->invalid) {
        counts.captures_lost++;
        return cudaErrorStreamCaptureInvalidated;
    }
    counts.nodes += long(capture->graph.nodes.size());
    *graph = reinterpret_cast<cudaGraph_t>(new Graph(std::move(capture->graph)));
    return fatal();
}

ENTRY cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus *status) {
    Inside inside(door);
    const Stream *stream = stream_of(handle);
    if (!stream) return no_stream("cudaStreamIsCapturing");
    if (is_legacy(stream) && blocking_capture())
        return refuse(cudaErrorStreamCaptureImplicit, "cudaStreamIsCapturing of the legacy stream while a blocking "
                                                      "stream is captured");
    if (!stream->capture)
        *status = cudaStreamCaptureStatusNone;
    else
        *status = stream->capture->invalid ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

ENTRY cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long) {
    if (!graph) return refuse(cudaErrorInvalidValue, "cudaGraphInstantiate was given no graph");
    *executable = reinterpret_cast<cudaGraphExec_t>(new Graph(*reinterpret_cast<Graph *>(graph)));
    return cudaSuccess;
}

ENTRY cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete reinterpret_cast<Graph *>(graph);
    return cudaSuccess;
}

ENTRY cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    Inside inside(door);
    finish_everything();  // pending work may launch the graph
    delete reinterpret_cast<Graph *>(executable);
    return cudaSuccess;
}

ENTRY cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }

ENTRY cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
    Inside inside(door);
    const Stream *stream = stream_of(handle);
    if (!stream) return no_stream("cudaGraphLaunch");
    if (stream->capture) {
        invalidate_captures();
        return refuse(cudaErrorStreamCaptureUnsupported, "a graph is launched on a stream that is captured");
    }
    const Graph *graph = reinterpret_cast<Graph *>(executable);
    counts.replays++;
    return submit(handle, "graph", [graph] {
        for (const Node &node : graph->nodes) {
            const cudaError_t error = guarded(node.name, node.work);
            if (error) return error;
        }
        return cudaSuccess;
    });
}
