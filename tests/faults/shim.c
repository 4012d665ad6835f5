/* A library to be preloaded: it counts, fails, shortens, stops at, kills at and records calls of the system.
 *
 * Only calls on files below one folder count, and only while the state is armed, so that the interpreter and
 * its libraries work. The state lies in shared memory: the process that armed a child reads it while the child
 * runs and after its end. Calls that this library makes for itself go to the kernel directly.
 */
#include "shim.h"

#define NEXT(name) \
    static __typeof__(name) *next; \
    if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define FAILS(what, failed) if ((what) == FAIL) return failed

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        NEXT(name); \
        va_list rest; \
        va_start(rest, flags); \
        int mode = va_arg(rest, int); \
        va_end(rest); \
        FAILS(at_path(OPEN, AT_FDCWD, path), -1); \
        int fd = next(path, flags, mode); \
        if (fd >= 0 && flags & (O_CREAT | O_TRUNC)) note('o', path, NULL, flags & O_TRUNC, 0, NULL, 0); \
        return fd; \
    }
OPENS(open)
OPENS(open64)
#define OPENS_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        NEXT(name); \
        va_list rest; \
        va_start(rest, flags); \
        int mode = va_arg(rest, int); \
        va_end(rest); \
        FAILS(at_path(OPEN, folder, path), -1); \
        int fd = next(folder, path, flags, mode); \
        if (fd >= 0 && flags & (O_CREAT | O_TRUNC)) note('o', path, NULL, flags & O_TRUNC, 0, NULL, 0); \
        return fd; \
    }
OPENS_AT(openat)
OPENS_AT(openat64)
#define FOPENS(name) \
    FILE *name(const char *path, const char *how) { \
        NEXT(name); \
        FAILS(at_path(OPEN, AT_FDCWD, path), NULL); \
        return next(path, how); \
    }
FOPENS(fopen)
FOPENS(fopen64)

static size_t part(enum mode what, size_t n) { return what == SHORT && n > 1 ? n / 2 : n; }

ssize_t read(int fd, void *bytes, size_t n) {
    NEXT(read);
    enum mode what = at_descriptor(READ, fd);
    FAILS(what, -1);
    return next(fd, bytes, part(what, n));
}
#define PREADS(name) \
    ssize_t name(int fd, void *bytes, size_t n, off_t at) { \
        NEXT(name); \
        enum mode what = at_descriptor(READ, fd); \
        FAILS(what, -1); \
        return next(fd, bytes, part(what, n), at); \
    }
PREADS(pread)
PREADS(pread64)

ssize_t write(int fd, const void *bytes, size_t n) {
    NEXT(write);
    enum mode what = at_descriptor(WRITE, fd);
    FAILS(what, -1);
    ssize_t done = next(fd, bytes, part(what, n));
    if (done > 0 && state->armed && state->log >= 0)
        note_descriptor('w', fd, syscall(SYS_lseek, fd, 0, SEEK_CUR) - done, bytes, done);
    return done;
}
#define PWRITES(name) \
    ssize_t name(int fd, const void *bytes, size_t n, off_t at) { \
        NEXT(name); \
        enum mode what = at_descriptor(WRITE, fd); \
        FAILS(what, -1); \
        ssize_t done = next(fd, bytes, part(what, n), at); \
        if (done > 0) note_descriptor('w', fd, at, bytes, done); \
        return done; \
    }
PWRITES(pwrite)
PWRITES(pwrite64)

#define SYNCS(name) \
    int name(int fd) { \
        NEXT(name); \
        FAILS(at_descriptor(SYNC, fd), -1); \
        int found = state->armed ? 0 : next(fd); /* what a disk does is simulated from the record */ \
        if (!found) note_descriptor('s', fd, 0, NULL, 0); \
        return found; \
    }
SYNCS(fsync)
SYNCS(fdatasync)

int rename(const char *from, const char *to) {
    NEXT(rename);
    FAILS(at_path(RENAME, AT_FDCWD, to), -1);
    int found = next(from, to);
    if (!found) note('r', from, to, 0, 0, NULL, 0);
    return found;
}
int renameat(int a, const char *from, int b, const char *to) {
    NEXT(renameat);
    FAILS(at_path(RENAME, b, to), -1);
    int found = next(a, from, b, to);
    if (!found) note('r', from, to, 0, 0, NULL, 0);
    return found;
}

#define STATS(name, kind) \
    int name(const char *path, struct kind *found) { \
        NEXT(name); \
        FAILS(at_path(STAT, AT_FDCWD, path), -1); \
        return next(path, found); \
    }
STATS(stat, stat)
STATS(lstat, stat)
STATS(stat64, stat64)
STATS(lstat64, stat64)
#define FSTATS(name, kind) \
    int name(int fd, struct kind *found) { \
        NEXT(name); \
        FAILS(at_descriptor(STAT, fd), -1); \
        return next(fd, found); \
    }
FSTATS(fstat, stat)
FSTATS(fstat64, stat64)
#define FSTATATS(name, kind) \
    int name(int folder, const char *path, struct kind *found, int flags) { \
        NEXT(name); \
        FAILS(at_path(STAT, folder, path), -1); \
        return next(folder, path, found, flags); \
    }
FSTATATS(fstatat, stat)
FSTATATS(fstatat64, stat64)
int statx(int folder, const char *path, int flags, unsigned mask, struct statx *found) {
    NEXT(statx);
    FAILS(at_path(STAT, folder, path), -1);
    return next(folder, path, flags, mask, found);
}

DIR *opendir(const char *path) {
    NEXT(opendir);
    FAILS(at_path(LIST, AT_FDCWD, path), NULL);
    return next(path);
}
DIR *fdopendir(int fd) {
    NEXT(fdopendir);
    FAILS(at_descriptor(LIST, fd), NULL);
    return next(fd);
}
struct dirent *readdir(DIR *folder) {
    NEXT(readdir);
    FAILS(at_descriptor(LIST, dirfd(folder)), NULL);
    return next(folder);
}
struct dirent64 *readdir64(DIR *folder) {
    NEXT(readdir64);
    FAILS(at_descriptor(LIST, dirfd(folder)), NULL);
    return next(folder);
}

static enum mode at_size(size_t n) {
    return state->armed && state->large && n >= (size_t)state->large ? act(ALLOCATE, "") : COUNT;
}
#define MAPS(name) \
    void *name(void *at, size_t n, int protection, int flags, int fd, off_t offset) { \
        NEXT(name); \
        FAILS(fd >= 0 ? at_descriptor(MAP, fd) : at_size(n), MAP_FAILED); \
        return next(at, n, protection, flags, fd, offset); \
    }
MAPS(mmap)
MAPS(mmap64)
void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *malloc(size_t n) {
    FAILS(at_size(n), NULL);
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t size) {
    FAILS(at_size(size && n > (size_t)-1 / size ? 0 : n * size), NULL);
    return __libc_calloc(n, size);
}
void *realloc(void *old, size_t n) {
    FAILS(at_size(n), NULL);
    return __libc_realloc(old, n);
}

#define ON_PATH(name, kind, letter) \
    int name(const char *path) { \
        NEXT(name); \
        FAILS(at_path(kind, AT_FDCWD, path), -1); \
        int found = next(path); \
        if (!found) note(letter, path, NULL, 0, 0, NULL, 0); \
        return found; \
    }
ON_PATH(unlink, UNLINK, 'u')
ON_PATH(rmdir, UNLINK, 'u')
int unlinkat(int folder, const char *path, int flags) {
    NEXT(unlinkat);
    char room[2048];
    FAILS(at_path(UNLINK, folder, path), -1);
    int found = next(folder, path, flags);
    if (!found) note('u', absolute(folder, path, room, sizeof room), NULL, 0, 0, NULL, 0);
    return found;
}
int mkdir(const char *path, mode_t mode) {
    NEXT(mkdir);
    FAILS(at_path(MAKE, AT_FDCWD, path), -1);
    int found = next(path, mode);
    if (!found) note('d', path, NULL, 0, 0, NULL, 0);
    return found;
}
int link(const char *from, const char *to) {
    NEXT(link);
    FAILS(at_path(LINK, AT_FDCWD, to), -1);
    int found = next(from, to);
    if (!found) note('l', from, to, 0, 0, NULL, 0);
    return found;
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
    NEXT(linkat);
    FAILS(at_path(LINK, b, to), -1);
    int found = next(a, from, b, to, flags);
    if (!found) note('l', from, to, 0, 0, NULL, 0);
    return found;
}
int flock(int fd, int how) {
    NEXT(flock);
    FAILS(at_descriptor(LOCK, fd), -1);
    return next(fd, how);
}
int chmod(const char *path, mode_t mode) {
    NEXT(chmod);
    FAILS(at_path(CHMOD, AT_FDCWD, path), -1);
    return next(path, mode);
}
int fchmod(int fd, mode_t mode) {
    NEXT(fchmod);
    FAILS(at_descriptor(CHMOD, fd), -1);
    return next(fd, mode);
}
#define CUTS(name) \
    int name(int fd, off_t size) { \
        NEXT(name); \
        FAILS(at_descriptor(CUT, fd), -1); \
        int found = next(fd, size); \
        if (!found) note_descriptor('t', fd, size, NULL, 0); \
        return found; \
    }
CUTS(ftruncate)
CUTS(ftruncate64)
#define RESERVES(name) \
    int name(int fd, off_t at, off_t size) { \
        NEXT(name); \
        FAILS(at_descriptor(CUT, fd), state->code); \
        return next(fd, at, size); \
    }
RESERVES(posix_fallocate)
RESERVES(posix_fallocate64)

static void program(const char *path) {
    if (!state->armed) return;
    __atomic_add_fetch(&state->programs, 1, __ATOMIC_SEQ_CST);
    snprintf(state->foreign, sizeof state->foreign, "%s", path ? path : "");
}
int execve(const char *path, char *const *arguments, char *const *variables) {
    NEXT(execve);
    program(path);
    return next(path, arguments, variables);
}
int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const *arguments, char *const *variables) {
    NEXT(posix_spawn);
    program(path);
    return next(pid, path, actions, attributes, arguments, variables);
}
int system(const char *command) {
    NEXT(system);
    program(command);
    return next(command);
}
FILE *popen(const char *command, const char *how) {
    NEXT(popen);
    program(command);
    return next(command, how);
}
