/* The state of the preloaded library, what it does at a call, and the record of changes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The order is that of KINDS in shim.py. */
enum kind { OPEN, READ, WRITE, SYNC, RENAME, STAT, LIST, MAP, ALLOCATE, UNLINK, MAKE, LINK, LOCK, CHMOD, CUT, N_KINDS };
enum mode { COUNT, FAIL, FAIL_ON, SHORT, KILL, STOP };

struct state {
    int armed;          /* whether calls are counted at all */
    unsigned kinds;     /* the kinds that are counted in `count`, one bit each */
    long k;             /* the call to act at, from 0 */
    int mode, code;     /* what to do there, and errno of a failure */
    long large;         /* bytes from which an allocation counts */
    long count, fired;  /* calls of the chosen kinds so far, and on how many of them something was done */
    long counts[N_KINDS];
    int stopped, go;    /* a process waits at its call; it may go on */
    long programs, outside;
    int log;            /* descriptor of the record of changes, or -1 */
    char root[1024], last[1024], foreign[1024], forbidden[1024];
};

static struct state unarmed = {.log = -1};
static struct state *state = &unarmed;

struct state *faults_new(void) {
    void *page = (void *)syscall(SYS_mmap, NULL, sizeof(struct state), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) abort();
    state = page;
    state->log = -1;
    return state;
}

void faults_free(struct state *old) {
    if (state == old) state = &unarmed;
    syscall(SYS_munmap, old, sizeof(struct state));
}

static const char *absolute(int folder, const char *path, char *out, size_t size) {
    if (path == NULL) return NULL;
    if (path[0] == '/') return path;
    char link[64];
    if (folder == AT_FDCWD) {
        long n = syscall(SYS_getcwd, out, size - 1);
        if (n <= 0) return NULL;
        out[n] = 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        long n = syscall(SYS_readlinkat, AT_FDCWD, link, out, size - 1);
        if (n <= 0) return NULL;
        out[n] = 0;
    }
    size_t n = strlen(out);
    snprintf(out + n, size - n, "/%s", path);
    return out;
}

static const char *of_descriptor(int fd, char *out, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = syscall(SYS_readlinkat, AT_FDCWD, link, out, size - 1);
    if (n <= 0) return NULL;
    out[n] = 0;
    return out;
}

static int below(const char *path, const char *root) {
    size_t n = strlen(root);
    return n && path && !strncmp(path, root, n) && (path[n] == '/' || !path[n]);
}

/* What is to be done at a call: nothing, or to fail, or to do a part. */
static enum mode act(enum kind kind, const char *path) {
    __atomic_add_fetch(&state->counts[kind], 1, __ATOMIC_SEQ_CST);
    if (!(state->kinds >> kind & 1)) return COUNT;
    long number = __atomic_fetch_add(&state->count, 1, __ATOMIC_SEQ_CST);
    if (number < state->k || (number > state->k && state->mode != FAIL_ON)) return COUNT;
    if (state->mode == COUNT) return COUNT;
    if (!state->fired++) snprintf(state->last, sizeof state->last, "%d %s", kind, path ? path : "");
    if (state->mode == KILL) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    if (state->mode == STOP) {
        state->stopped = 1;
        struct timespec pause = {0, 200000};
        while (!__atomic_load_n(&state->go, __ATOMIC_SEQ_CST)) syscall(SYS_nanosleep, &pause, NULL);
        return COUNT;
    }
    errno = state->code;
    return state->mode == FAIL_ON ? FAIL : (enum mode)state->mode;
}

static enum mode at_path(enum kind kind, int folder, const char *path) {
    if (!state->armed) return COUNT;
    char room[2048];
    const char *whole = absolute(folder, path, room, sizeof room);
    if (whole && kind == OPEN && below(whole, state->forbidden)) {
        if (!state->outside++) snprintf(state->foreign, sizeof state->foreign, "%s", whole);
    }
    return below(whole, state->root) ? act(kind, whole) : COUNT;
}

static enum mode at_descriptor(enum kind kind, int fd) {
    if (!state->armed) return COUNT;
    char room[2048];
    const char *whole = of_descriptor(fd, room, sizeof room);
    return below(whole, state->root) ? act(kind, whole) : COUNT;
}

/* The record of changes: a head, the paths and the bytes; recorded after the call has succeeded. */
struct head { int what, first, second, flags; long offset, length; };

static void put(const void *bytes, size_t n) {
    while (n) {
        long done = syscall(SYS_write, state->log, bytes, n);
        if (done <= 0) abort();
        bytes = (const char *)bytes + done;
        n -= done;
    }
}

static void note(char what, const char *first, const char *second, int flags, long offset, const void *bytes, long n) {
    if (!state->armed || state->log < 0) return;
    int kept = errno;
    char one[2048], two[2048];
    first = absolute(AT_FDCWD, first, one, sizeof one);
    second = second ? absolute(AT_FDCWD, second, two, sizeof two) : "";
    if (first && (below(first, state->root) || what == 'm')) {
        struct head head = {what, (int)strlen(first), (int)strlen(second), flags, offset, bytes ? n : -n};
        put(&head, sizeof head);
        put(first, head.first);
        put(second, head.second);
        if (bytes) put(bytes, n);
    }
    errno = kept;
}

static void note_descriptor(char what, int fd, long offset, const void *bytes, long n) {
    if (!state->armed || state->log < 0) return;
    char room[2048];
    int kept = errno;
    note(what, of_descriptor(fd, room, sizeof room), NULL, 0, offset, bytes, n);
    errno = kept;
}

void faults_mark(const char *text) { note('m', text, NULL, 0, 0, NULL, 0); }
