// Compile CUDA C for the CPU in tests: a kernel's source becomes a C++ program whose threads a sanitizer can check.
//
// The threads of a block are coroutines that run in turn on one thread of the machine; blocks run one after another. A
// coroutine runs until a barrier, an exchange between lanes, or the end of the kernel. A seed shuffles the order of
// coroutines and of blocks, and lets some warps run ahead of others. The checks are stricter than a card's: every
// thread of a block must reach a barrier at the same line, and all 32 lanes of a warp must reach an exchange. Shared
// memory starts as NaN.
//
// Under -fsanitize=thread every coroutine is a separate thread, ordered by barriers and kernel launches alone; under
// -fsanitize=address shared memory has exact bounds.
#pragma once
#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <type_traits>
#include <utility>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define IF_RACES(...) __VA_ARGS__
#else
#define IF_RACES(...)
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define IF_BOUNDS(...) __VA_ARGS__
#else
#define IF_BOUNDS(...)
#endif
// Functions of this file are excluded from the sanitizers, because only kernels are tested.
#define UNSEEN __attribute__((noinline, no_sanitize("thread"), no_sanitize("address")))

#define __global__
#define __device__
#define __noinline__
#define __launch_bounds__(...)
#define SHARED(type, name, count) type *const name = static_cast<type *>(cushim::shared(__COUNTER__, sizeof(type) * (count)))

// The size is known to a card by the launch, and to the kernel by an argument.
#define DYNAMIC(type, name, count) SHARED(type, name, count)
#define __align__(bytes)

struct dim3 {
    unsigned x, y, z;
};
static dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace cushim {

constexpr unsigned LANES = 32, MOST_THREADS = 1024, MOST_SITES = 64, MOST_RACE_THREADS = 4096;
constexpr size_t STACK = 64 << 10;

enum State { READY, AT_BARRIER, IN_EXCHANGE, FINISHED };

// The point where a coroutine continues. The C library's switch reads the signal mask from the kernel each time, which
// takes ten times as long as the rest: on x86-64 without a sanitizer, this one saves the callee-saved registers alone.
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
struct Context {
    void *stack_pointer;
};

__attribute__((naked, noinline)) static void switch_context(Context *, const Context *) {
    __asm__(
        "pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
        "movq %rsp, (%rdi)\n"
        "movq (%rsi), %rsp\n"
        "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n"
        "ret"
    );
}

static void start_context(Context *context, char *stack, size_t bytes, void (*entry)()) {
    auto *top = reinterpret_cast<void **>((reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t(15));
    *--top = nullptr;  // return address of the entry; it also aligns the stack as a call does
    *--top = reinterpret_cast<void *>(entry);
    context->stack_pointer = top - 6;  // the registers that are restored first
}
#else
struct Context {
    ucontext_t state;
};

static void switch_context(Context *from, const Context *to) { swapcontext(&from->state, &to->state); }

static void start_context(Context *context, char *stack, size_t bytes, void (*entry)()) {
    getcontext(&context->state);
    context->state.uc_stack.ss_sp = stack;
    context->state.uc_stack.ss_size = bytes;
    context->state.uc_link = nullptr;
    makecontext(&context->state, entry, 0);
}
#endif

struct Thread {
    Context context;
    char *stack;
    dim3 index;
    unsigned number;
    State state;
    int site;         // line of the barrier or exchange where the thread is stopped
    uint64_t posted;  // value that it passes to an exchange or a vote
    uint64_t taken;   // value that it received in the last exchange
    void *race, *bounds;
};

struct Block {
    Context scheduler;
    unsigned size;
    void (*body)(void *);
    void *arguments;
    uint64_t votes, random;
    char *order;  // two bytes, used alternately, by which the race detector knows the order of barriers
    unsigned barriers;
    void *memory[MOST_SITES];  // of each declaration of shared memory
    unsigned wanted_site;      // request to the scheduler for memory that belongs to no thread
    size_t wanted_bytes;
    // Threads and memory that the race detector must know for the whole launch: identifiers of ended threads would be
    // reused, and memory would appear to be freed while others use it.
    void *race_threads[MOST_RACE_THREADS], *race_memory[3 * MOST_RACE_THREADS];
    unsigned race_thread_count, race_memory_count;
    void *race, *bounds;
    const void *bottom;
    size_t depth;
    char message[300];
};

static Thread threads[MOST_THREADS];
static Block block;
static Thread *current;

// --- switching between coroutines -----------------------------------------------------------------

UNSEEN static void to_scheduler(bool for_good = false) {
    Thread *me = current;
    (void)for_good;
    IF_BOUNDS(__sanitizer_start_switch_fiber(for_good ? nullptr : &me->bounds, block.bottom, block.depth);)
    IF_RACES(__tsan_switch_to_fiber(block.race, __tsan_switch_to_fiber_no_sync);)
    switch_context(&me->context, &block.scheduler);
    IF_BOUNDS(__sanitizer_finish_switch_fiber(me->bounds, &block.bottom, &block.depth);)
}

UNSEEN static void give_turn(Thread *thread) {
    current = thread;
    threadIdx = thread->index;
    IF_BOUNDS(__sanitizer_start_switch_fiber(&block.bounds, thread->stack, STACK);)
    IF_RACES(__tsan_switch_to_fiber(thread->race, __tsan_switch_to_fiber_no_sync);)
    switch_context(&block.scheduler, &thread->context);
    IF_BOUNDS(__sanitizer_finish_switch_fiber(block.bounds, nullptr, nullptr);)
}

UNSEEN static void fail(const char *message, int line = 0, int other = 0) {
    if (!block.message[0]) std::snprintf(block.message, sizeof block.message, message, line, other);
}

UNSEEN static void life() {
    IF_BOUNDS(__sanitizer_finish_switch_fiber(nullptr, &block.bottom, &block.depth);)
    block.body(block.arguments);
    IF_RACES(__tsan_release(&block.message);)  // the caller of the launch is ordered after all threads
    current->state = FINISHED;
    to_scheduler(true);
}

UNSEEN static uint64_t wait(State state, int site, uint64_t posted) {
    Thread *me = current;
    me->state = state, me->site = site, me->posted = posted;
    // Two bytes, so that a fast thread's next barrier does not order a slow thread.
    IF_RACES(char *order = block.order + block.barriers % 2;)
    IF_RACES(if (state == AT_BARRIER) __tsan_release(order);)
    to_scheduler();
    IF_RACES(if (state == AT_BARRIER) __tsan_acquire(order);)
    return block.votes;
}

// --- barriers and exchanges, ended by the scheduler -----------------------------------------------

UNSEEN static bool end_barrier() {
    uint64_t votes = 0;
    for (unsigned i = 0; i < block.size; ++i) {
        if (threads[i].state != AT_BARRIER) return false;
        votes += threads[i].posted;
    }
    for (unsigned i = 0; i < block.size; ++i) {
        if (threads[i].site != threads[0].site)
            fail("the threads of a block wait at barriers in lines %d and %d", threads[0].site, threads[i].site);
        threads[i].state = READY;
    }
    block.votes = votes;
    block.barriers++;
    return true;
}

UNSEEN static bool end_exchange(unsigned first) {
    if (first + LANES > block.size) return false;
    Thread *warp = threads + first;
    for (unsigned i = 0; i < LANES; ++i)
        if (warp[i].state != IN_EXCHANGE || warp[i].site != warp[0].site) return false;
    for (unsigned i = 0; i < LANES; ++i) warp[i].taken = warp[i].posted, warp[i].state = READY;
    return true;
}

UNSEEN static unsigned draw(unsigned below) {
    block.random = block.random * 6364136223846793005ull + 1442695040888963407ull;
    return unsigned((block.random >> 33) % below);
}

UNSEEN static void shuffle(unsigned *order, unsigned count) {
    for (unsigned i = count; i > 1; --i) std::swap(order[i - 1], order[draw(i)]);
}

UNSEEN static void discard(void *memory) {
#if defined(__SANITIZE_THREAD__)
    block.race_memory[block.race_memory_count++ % (3 * MOST_RACE_THREADS)] = memory;
#else
    std::free(memory);
#endif
}

UNSEEN static void begin(Thread *thread, unsigned number) {
    thread->number = number;
    thread->index = {number % blockDim.x, number / blockDim.x % blockDim.y, number / blockDim.x / blockDim.y};
    thread->state = READY;
    thread->bounds = nullptr;
    IF_RACES(discard(thread->stack); thread->stack = nullptr;)  // new memory has no history
    if (!thread->stack) thread->stack = static_cast<char *>(std::malloc(STACK));
    start_context(&thread->context, thread->stack, STACK, life);
    IF_RACES(block.race_threads[block.race_thread_count++ % MOST_RACE_THREADS] = thread->race = __tsan_create_fiber(0);)
}

// Return the block's memory of one declaration; all its bits are set, which is NaN.
UNSEEN static void give_memory() {
    auto *memory = static_cast<unsigned char *>(std::malloc(block.wanted_bytes));
    for (size_t i = 0; i < block.wanted_bytes; ++i) memory[i] = 0xff;
    block.memory[block.wanted_site] = memory;
    block.wanted_bytes = 0;
    IF_RACES(__tsan_release(&block.memory[block.wanted_site]);)
}

UNSEEN static void *shared(unsigned site, size_t bytes) {
    if (site >= MOST_SITES) fail("too many declarations of shared memory");
    if (!block.memory[site]) {
        block.wanted_site = site, block.wanted_bytes = bytes;
        to_scheduler();
    }
    IF_RACES(__tsan_acquire(&block.memory[site]);)
    return block.memory[site];
}

UNSEEN static void run_block(bool shuffled) {
    unsigned order[MOST_THREADS];
    block.order = static_cast<char *>(std::malloc(2));
    block.barriers = 0;
    for (unsigned i = 0; i < block.size; ++i) begin(&threads[i], order[i] = i);
    unsigned finished = 0, paused = 0;
    while (finished < block.size && !block.message[0]) {
        bool moved = false;
        if (shuffled) shuffle(order, block.size);
        if (shuffled && draw(8) == 0) paused = draw(~0u);  // half of the warps, so that the others run ahead
        for (unsigned i = 0; i < block.size && !block.message[0]; ++i) {
            Thread *thread = &threads[order[i]];
            if (thread->state != READY) continue;
            moved = true;
            if (paused >> (thread->number / LANES) & 1) continue;
            give_turn(thread);
            if (block.wanted_bytes) give_memory();
            finished += thread->state == FINISHED;
        }
        for (unsigned first = 0; first < block.size; first += LANES) moved |= end_exchange(first);
        moved |= end_barrier();
        if (!moved && finished < block.size) fail("some threads wait where the others of their block or warp never come");
    }
    discard(block.order);
    for (void *&memory : block.memory)
        if (memory) discard(memory), memory = nullptr;
}

// --- launches ---------------------------------------------------------------------------------------

template <class... A, size_t... I>
void call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<A> *>(arguments[I])...);
}

template <class... A>
UNSEEN const char *launch(void (*kernel)(A...), const unsigned *grid, const unsigned *threads_of, void **arguments, unsigned seed) {
    struct Call {
        void (*kernel)(A...);
        void **arguments;
    } what{kernel, arguments};
    block.body = [](void *p) {
        call(static_cast<Call *>(p)->kernel, static_cast<Call *>(p)->arguments, std::index_sequence_for<A...>{});
    };
    block.arguments = &what;
    block.message[0] = 0;
    block.random = seed;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {threads_of[0], threads_of[1], threads_of[2]};
    block.size = blockDim.x * blockDim.y * blockDim.z;
    const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
    if (!blocks || !block.size || block.size > MOST_THREADS) fail("a launch without blocks or threads, or with too many");
    IF_RACES(block.race = __tsan_get_current_fiber();)
    const unsigned start = seed && blocks ? draw(blocks) : 0;
    for (unsigned j = 0; j < blocks && !block.message[0]; ++j) {
        const unsigned i = seed ? (start + (seed % 2 ? j : blocks - j)) % blocks : j;
        blockIdx = {i % gridDim.x, i / gridDim.x % gridDim.y, i / gridDim.x / gridDim.y};
        run_block(seed != 0);
    }
    IF_RACES(__tsan_acquire(&block.message);)
    IF_RACES(if (block.race_thread_count > MOST_RACE_THREADS) fail("too many threads for the race detector");)
    IF_RACES(while (block.race_thread_count) __tsan_destroy_fiber(block.race_threads[--block.race_thread_count]);)
    IF_RACES(while (block.race_memory_count) std::free(block.race_memory[--block.race_memory_count]);)
    return block.message;
}

// Describe the arguments of a kernel by letters: `in f4` for const float *, `out f4` for float *, `i8` for long long.
template <class T>
char *letters(char *end) {
    if constexpr (std::is_pointer_v<T>) {
        using Element = std::remove_pointer_t<T>;
        end += std::sprintf(end, std::is_const_v<Element> ? "in " : "out ");
        return letters<std::remove_cv_t<Element>>(end);
    } else {
        const char kind = std::is_same_v<T, bool> ? 'b' : std::is_floating_point_v<T> ? 'f' : std::is_signed_v<T> ? 'i' : 'u';
        return end + std::sprintf(end, "%c%d;", kind, int(sizeof(T)));
    }
}

template <class... A>
const char *signature(void (*)(A...)) {
    static char text[8 * sizeof...(A) + 1];
    char *end = text;
    ((end = letters<std::remove_cv_t<A>>(end)), ...);
    return text;
}

UNSEEN static uint64_t exchange(int site, uint64_t value, int distance) {
    wait(IN_EXCHANGE, site, value);
    const unsigned lane = current->number % LANES, other = lane ^ unsigned(distance);
    return threads[current->number - lane + (other < LANES ? other : lane)].taken;
}

template <class T>
UNSEEN T exchanged(int site, unsigned mask, T value, int distance) {
    if (mask != ~0u) fail("an exchange between some lanes of a warp only");
    union {
        uint64_t bits;
        T value;
    } box{0};
    box.value = value;
    box.bits = exchange(site, box.bits, distance);
    return box.value;
}

}  // namespace cushim

#define CUSHIM_KERNEL(name)                                                                                          \
    extern "C" const char *cushim_signature_##name() { return cushim::signature(&name); }                            \
    extern "C" const char *cushim_launch_##name(                                                                     \
        const unsigned *grid, const unsigned *threads, void **arguments, unsigned seed                               \
    ) {                                                                                                              \
        return cushim::launch(&name, grid, threads, arguments, seed);                                                \
    }

// --- names of the language --------------------------------------------------------------------

#define __syncthreads() ((void)cushim::wait(cushim::AT_BARRIER, __LINE__, 0))
#define __syncthreads_or(truth) (cushim::wait(cushim::AT_BARRIER, __LINE__, (truth) != 0) != 0)
#define __shfl_xor_sync(mask, value, distance) cushim::exchanged(__LINE__, mask, value, distance)

using std::exp, std::expm1, std::fabs, std::log, std::log1p, std::pow, std::sqrt, std::tanh;

inline int atomicExch(int *place, int value) { return __atomic_exchange_n(place, value, __ATOMIC_RELAXED); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }

template <class T>
void sincospi(T x, T *sine, T *cosine) {
    const double angle = 3.14159265358979323846 * double(x);
    *sine = T(std::sin(angle));
    *cosine = T(std::cos(angle));
}
