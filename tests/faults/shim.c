/* Makes the n-th system call of a kind fail, or kills the process in the middle of it.
 *
 * The library is loaded with LD_PRELOAD. It counts calls that concern files in watched folders, and large allocations.
 * A block of shared memory, the file that EVENSKY_FAULTS names, says what to do and holds the counts; all processes of
 * a run share it. The fields are those of `shim.Control`.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { ANY, WRITE, READ, OPEN, RENAME, UNLINK, FSYNC, CLOSE, TRUNCATE, MKDIR, CHMOD, STAT, LIST, MAP, LOCK, ALLOC, KINDS };
enum action { FAIL, HALF, SHORT, KILL_BEFORE, KILL_HALF, KILL_AFTER };
enum scope { MAIN, OTHERS, ALL };

/* Stacks of Python frames are mapped in pieces of 16 kB; a thread that gets none dies before it runs any code. */
#define LEAST_MAPPING 65536

struct control {
    int armed;
    int main_pid;
    int kind;
    int action;
    int error;
    int sticky; /* whether all further calls of the kind fail, too */
    int scope;
    int folders_wanted; /* bit n: folder n */
    long nth;
    long least_size; /* of an allocation that counts */
    long counts[KINDS];
    int hit;
    int hit_pid;
    int logged; /* whether calls are appended to the log */
    int spare;
    char hit_call[32];
    char hit_path[512];
    char folders[4][512];
    char only[128]; /* text that a path must contain */
    char log[512];
};

static struct control* volatile control;

static size_t (*real_fread)(void*, size_t, size_t, FILE*);
static size_t (*real_fwrite)(const void*, size_t, size_t, FILE*);
static DIR* (*real_opendir)(const char*);
static int (*real_posix_fallocate)(int, off_t, off_t);

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

/* Whether this is the interpreter that removes what dead workers leave. It belongs to multiprocessing, holds no file of
 * a run, and without memory for its own imports it ends with a traceback that is not the run's. */
static int is_resource_tracker(void) {
    char line[4096];
    int file = syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC, 0);
    if (file < 0) return 0;
    long length = syscall(SYS_read, file, line, sizeof line);
    syscall(SYS_close, file);
    const char* words = "multiprocessing.resource_tracker";
    return length > 0 && memmem(line, (size_t)length, words, strlen(words)) != NULL;
}

__attribute__((constructor)) static void begin(void) {
    real_fread = dlsym(RTLD_NEXT, "fread");
    real_fwrite = dlsym(RTLD_NEXT, "fwrite");
    real_opendir = dlsym(RTLD_NEXT, "opendir");
    real_posix_fallocate = dlsym(RTLD_NEXT, "posix_fallocate64");
    const char* name = getenv("EVENSKY_FAULTS");
    if (!name || is_resource_tracker()) return;
    int file = syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC, 0);
    if (file < 0) return;
    void* block = (void*)syscall(SYS_mmap, NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (block == MAP_FAILED) return;
    struct control* found = block;
    /* The first process that starts after the number was set to 0 is the main one. */
    int none = 0;
    __atomic_compare_exchange_n(&found->main_pid, &none, (int)getpid(), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    control = found;
}

static int in_scope(struct control* c) {
    int is_main = getpid() == c->main_pid;
    return c->scope == ALL || (c->scope == MAIN) == is_main;
}

static void note(struct control* c, const char* call, const char* path, long size) {
    char line[700];
    int length = snprintf(line, sizeof line, "%d %s %ld %s\n", (int)getpid(), call, size, path);
    int file = syscall(SYS_openat, AT_FDCWD, c->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0) return;
    syscall(SYS_write, file, line, (size_t)(length < (int)sizeof line ? length : (int)sizeof line - 1));
    syscall(SYS_close, file);
}

/* Count a call; return whether it is to be disturbed: 0 no, 1 yes, 2 yes, and an earlier one was. */
static int counted(struct control* c, int kind, const char* call, const char* path, long size) {
    if (c->logged) note(c, call, path, size);
    long any = kind == ALLOC ? 0 : __atomic_add_fetch(&c->counts[ANY], 1, __ATOMIC_SEQ_CST);
    long own = __atomic_add_fetch(&c->counts[kind], 1, __ATOMIC_SEQ_CST);
    long number = c->kind == kind ? own : c->kind == ANY ? any : 0;
    if (number < 1 || c->nth < 1 || number < c->nth || (number > c->nth && !c->sticky)) return 0;
    if (!__atomic_exchange_n(&c->hit, 1, __ATOMIC_SEQ_CST)) {
        c->hit_pid = getpid();
        strncpy(c->hit_call, call, sizeof c->hit_call - 1);
        strncpy(c->hit_path, path, sizeof c->hit_path - 1);
    }
    return number == c->nth ? 1 : 2;
}

static int watched(struct control* c, const char* path) {
    if (c->only[0] && !strstr(path, c->only)) return 0;
    for (int n = 0; n < 4; n++) {
        size_t length = strlen(c->folders[n]);
        if ((c->folders_wanted >> n & 1) && length && !strncmp(path, c->folders[n], length) &&
            (path[length] == '/' || path[length] == 0))
            return 1;
    }
    return 0;
}

static int on_path(int kind, const char* call, int folder, const char* path) {
    struct control* c = control;
    if (!c || !c->armed || !path || !in_scope(c)) return 0;
    char full[1024];
    if (path[0] != '/') {
        long length;
        if (folder == AT_FDCWD) {
            length = syscall(SYS_getcwd, full, sizeof full - 300) - 1;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            length = syscall(SYS_readlinkat, AT_FDCWD, link, full, sizeof full - 300);
        }
        if (length < 0) return 0;
        snprintf(full + length, sizeof full - length, "/%s", path);
        path = full;
    }
    return watched(c, path) ? counted(c, kind, call, path, 0) : 0;
}

static int on_file(int kind, const char* call, int file, long size) {
    struct control* c = control;
    if (!c || !c->armed || !in_scope(c)) return 0;
    char link[64], path[1024];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return watched(c, path) ? counted(c, kind, call, path, size) : 0;
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static int failed(void) {
    errno = control->error;
    return -1;
}

/* Disturb a call that does everything or nothing; RUN is the call itself. */
#define WHOLE(TYPE, DISTURBED, RUN)                                \
    do {                                                           \
        if (DISTURBED) {                                           \
            if (control->action >= KILL_BEFORE) {                  \
                if (control->action == KILL_AFTER) (void)(RUN);    \
                die();                                             \
            }                                                      \
            if (control->action != SHORT) return (TYPE)failed();   \
        }                                                          \
        return (TYPE)(RUN);                                        \
    } while (0)

/* Return the number of bytes to transfer by a disturbed call, or -1 for an error. */
static ssize_t part_of(int disturbed, size_t size) {
    int action = control->action;
    if (action == KILL_BEFORE) die();
    if (action == FAIL || disturbed == 2 || (action == HALF && size < 2)) return failed();
    if (action == KILL_AFTER || size < 2) return (ssize_t)size;
    return (ssize_t)(size / 2);
}

#define PARTLY(DISTURBED, SIZE, RUN)                          \
    do {                                                      \
        size_t part = (SIZE);                                 \
        if (DISTURBED) {                                      \
            ssize_t found = part_of(DISTURBED, part);         \
            if (found < 0) return -1;                         \
            part = (size_t)found;                             \
            if (control->action >= KILL_BEFORE) {             \
                (void)(RUN);                                  \
                die();                                        \
            }                                                 \
        }                                                     \
        return RUN;                                           \
    } while (0)

ssize_t write(int file, const void* data, size_t size) {
    int disturbed = on_file(WRITE, "write", file, (long)size);
    PARTLY(disturbed, size, syscall(SYS_write, file, data, part));
}

ssize_t pwrite64(int file, const void* data, size_t size, off_t at) {
    int disturbed = on_file(WRITE, "pwrite", file, (long)size);
    PARTLY(disturbed, size, syscall(SYS_pwrite64, file, data, part, at));
}
ssize_t pwrite(int, const void*, size_t, off_t) __attribute__((alias("pwrite64")));

ssize_t writev(int file, const struct iovec* parts, int number) {
    int disturbed = on_file(WRITE, "writev", file, number);
    WHOLE(ssize_t, disturbed, syscall(SYS_writev, file, parts, number));
}

size_t fwrite(const void* data, size_t size, size_t number, FILE* stream) {
    if (stream != stdout && stream != stderr && on_file(WRITE, "fwrite", fileno(stream), (long)(size * number))) {
        if (control->action >= KILL_BEFORE) {
            real_fwrite(data, size, number / 2, stream);
            fflush(stream);
            die();
        }
        if (control->action != SHORT) {
            stream->_flags |= 0x20;
            failed();
            return 0;
        }
    }
    return real_fwrite(data, size, number, stream);
}

ssize_t read(int file, void* data, size_t size) {
    int disturbed = on_file(READ, "read", file, (long)size);
    PARTLY(disturbed, size, syscall(SYS_read, file, data, part));
}

ssize_t pread64(int file, void* data, size_t size, off_t at) {
    int disturbed = on_file(READ, "pread", file, (long)size);
    PARTLY(disturbed, size, syscall(SYS_pread64, file, data, part, at));
}
ssize_t pread(int, void*, size_t, off_t) __attribute__((alias("pread64")));

ssize_t readv(int file, const struct iovec* parts, int number) {
    int disturbed = on_file(READ, "readv", file, number);
    WHOLE(ssize_t, disturbed, syscall(SYS_readv, file, parts, number));
}

size_t fread(void* data, size_t size, size_t number, FILE* stream) {
    if (stream != stdin && on_file(READ, "fread", fileno(stream), (long)(size * number))) {
        if (control->action >= KILL_BEFORE) die();
        if (control->action != SHORT) {
            stream->_flags |= 0x20;
            failed();
            return 0;
        }
    }
    return real_fread(data, size, number, stream);
}

ssize_t copy_file_range(int from, off_t* at, int to, off_t* to_at, size_t size, unsigned flags) {
    int disturbed = on_file(WRITE, "copy_file_range", to, (long)size);
    PARTLY(disturbed, size, syscall(SYS_copy_file_range, from, at, to, to_at, part, flags));
}

ssize_t sendfile64(int to, int from, off_t* at, size_t size) {
    int disturbed = on_file(WRITE, "sendfile", to, (long)size);
    PARTLY(disturbed, size, syscall(SYS_sendfile, to, from, at, part));
}

// The mode of a file to be made, which follows the flags of open and openat.
#define GET_MODE(mode, flags)                \
    mode_t mode = 0;                         \
    if (flags & (O_CREAT | O_TMPFILE)) {     \
        va_list more;                        \
        va_start(more, flags);               \
        mode = va_arg(more, mode_t);         \
        va_end(more);                        \
    }

int openat64(int folder, const char* path, int flags, ...) {
    GET_MODE(mode, flags);
    int disturbed = on_path(OPEN, "open", folder, path);
    WHOLE(int, disturbed, syscall(SYS_openat, folder, path, flags, mode));
}

int open64(const char* path, int flags, ...) {
    GET_MODE(mode, flags);
    int disturbed = on_path(OPEN, "open", AT_FDCWD, path);
    WHOLE(int, disturbed, syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
int openat(int, const char*, int, ...) __attribute__((alias("openat64")));
int open(const char*, int, ...) __attribute__((alias("open64")));

int rename(const char* from, const char* to) {
    int disturbed = on_path(RENAME, "rename", AT_FDCWD, to);
    WHOLE(int, disturbed, syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int renameat(int folder, const char* from, int other, const char* to) {
    int disturbed = on_path(RENAME, "rename", other, to);
    WHOLE(int, disturbed, syscall(SYS_renameat2, folder, from, other, to, 0));
}

int link(const char* from, const char* to) {
    int disturbed = on_path(RENAME, "link", AT_FDCWD, to);
    WHOLE(int, disturbed, syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int linkat(int folder, const char* from, int other, const char* to, int flags) {
    int disturbed = on_path(RENAME, "link", other, to);
    WHOLE(int, disturbed, syscall(SYS_linkat, folder, from, other, to, flags));
}

int unlink(const char* path) {
    int disturbed = on_path(UNLINK, "unlink", AT_FDCWD, path);
    WHOLE(int, disturbed, syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int unlinkat(int folder, const char* path, int flags) {
    int disturbed = on_path(UNLINK, "unlink", folder, path);
    WHOLE(int, disturbed, syscall(SYS_unlinkat, folder, path, flags));
}

int rmdir(const char* path) {
    int disturbed = on_path(UNLINK, "rmdir", AT_FDCWD, path);
    WHOLE(int, disturbed, syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}

int fsync(int file) {
    int disturbed = on_file(FSYNC, "fsync", file, 0);
    WHOLE(int, disturbed, syscall(SYS_fsync, file));
}

int fdatasync(int file) {
    int disturbed = on_file(FSYNC, "fdatasync", file, 0);
    WHOLE(int, disturbed, syscall(SYS_fdatasync, file));
}

int close(int file) {
    int disturbed = on_file(CLOSE, "close", file, 0);
    if (disturbed && control->action == KILL_BEFORE) die();
    int result = (int)syscall(SYS_close, file); /* Linux closes a file even if it says that this failed */
    if (disturbed && control->action >= KILL_BEFORE) die();
    return disturbed && control->action != SHORT ? failed() : result;
}

int ftruncate64(int file, off_t size) {
    int disturbed = on_file(TRUNCATE, "ftruncate", file, (long)size);
    WHOLE(int, disturbed, syscall(SYS_ftruncate, file, size));
}
int ftruncate(int, off_t) __attribute__((alias("ftruncate64")));

int posix_fallocate64(int file, off_t at, off_t size) {
    if (on_file(TRUNCATE, "posix_fallocate", file, (long)size)) {
        if (control->action >= KILL_BEFORE) die();
        if (control->action != SHORT) return control->error;
    }
    return real_posix_fallocate(file, at, size);
}
int posix_fallocate(int, off_t, off_t) __attribute__((alias("posix_fallocate64")));

int mkdir(const char* path, mode_t mode) {
    int disturbed = on_path(MKDIR, "mkdir", AT_FDCWD, path);
    WHOLE(int, disturbed, syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int mkdirat(int folder, const char* path, mode_t mode) {
    int disturbed = on_path(MKDIR, "mkdir", folder, path);
    WHOLE(int, disturbed, syscall(SYS_mkdirat, folder, path, mode));
}

int chmod(const char* path, mode_t mode) {
    int disturbed = on_path(CHMOD, "chmod", AT_FDCWD, path);
    WHOLE(int, disturbed, syscall(SYS_fchmodat, AT_FDCWD, path, mode));
}

int fchmod(int file, mode_t mode) {
    int disturbed = on_file(CHMOD, "fchmod", file, 0);
    WHOLE(int, disturbed, syscall(SYS_fchmod, file, mode));
}

int fchmodat(int folder, const char* path, mode_t mode, int flags) {
    (void)flags;
    int disturbed = on_path(CHMOD, "fchmodat", folder, path);
    WHOLE(int, disturbed, syscall(SYS_fchmodat, folder, path, mode));
}

int futimens(int file, const struct timespec times[2]) {
    int disturbed = on_file(CHMOD, "futimens", file, 0);
    WHOLE(int, disturbed, syscall(SYS_utimensat, file, NULL, times, 0));
}

int utimensat(int folder, const char* path, const struct timespec times[2], int flags) {
    int disturbed = on_path(CHMOD, "utimensat", folder, path);
    WHOLE(int, disturbed, syscall(SYS_utimensat, folder, path, times, flags));
}

int fstatat64(int folder, const char* restrict path, struct stat64* restrict found, int flags) {
    int disturbed = path[0] ? on_path(STAT, "stat", folder, path) : on_file(STAT, "fstat", folder, 0);
    WHOLE(int, disturbed, syscall(SYS_newfstatat, folder, path, found, flags));
}

int stat64(const char* restrict path, struct stat64* restrict found) {
    int disturbed = on_path(STAT, "stat", AT_FDCWD, path);
    WHOLE(int, disturbed, syscall(SYS_newfstatat, AT_FDCWD, path, found, 0));
}

int lstat64(const char* restrict path, struct stat64* restrict found) {
    int disturbed = on_path(STAT, "lstat", AT_FDCWD, path);
    WHOLE(int, disturbed, syscall(SYS_newfstatat, AT_FDCWD, path, found, AT_SYMLINK_NOFOLLOW));
}

int fstat64(int file, struct stat64* found) {
    int disturbed = on_file(STAT, "fstat", file, 0);
    WHOLE(int, disturbed, syscall(SYS_newfstatat, file, "", found, AT_EMPTY_PATH));
}

int access(const char* path, int mode) {
    int disturbed = on_path(STAT, "access", AT_FDCWD, path);
    WHOLE(int, disturbed, syscall(SYS_faccessat, AT_FDCWD, path, mode));
}

DIR* opendir(const char* path) {
    if (on_path(LIST, "opendir", AT_FDCWD, path)) {
        if (control->action >= KILL_BEFORE) die();
        if (control->action != SHORT) {
            failed();
            return NULL;
        }
    }
    return real_opendir(path);
}

void* mmap64(void* at, size_t size, int protection, int flags, int file, off_t offset) {
    struct control* c = control;
    int disturbed = 0;
    if (c && c->armed) {
        if (!(flags & MAP_ANONYMOUS) && file >= 0) {
            disturbed = on_file(MAP, "mmap", file, (long)size);
        } else if ((long)size >= c->least_size && size >= LEAST_MAPPING && in_scope(c)) {
            disturbed = counted(c, ALLOC, "mmap", "", (long)size);
        }
    }
    if (disturbed) {
        if (c->action >= KILL_BEFORE) die();
        if (c->action != SHORT) {
            errno = c->error;
            return MAP_FAILED;
        }
    }
    return (void*)syscall(SYS_mmap, at, size, protection, flags, file, offset);
}
void* mmap(void*, size_t, int, int, int, off_t) __attribute__((alias("mmap64")));

int flock(int file, int operation) {
    int disturbed = on_file(LOCK, "flock", file, operation);
    WHOLE(int, disturbed, syscall(SYS_flock, file, operation));
}

static int without_memory(const char* call, size_t size) {
    struct control* c = control;
    if (!c || !c->armed || (long)size < c->least_size || !in_scope(c)) return 0;
    if (!counted(c, ALLOC, call, "", (long)size)) return 0;
    if (c->action >= KILL_BEFORE) die();
    if (c->action == SHORT) return 0;
    errno = ENOMEM;
    return 1;
}

void* malloc(size_t size) { return without_memory("malloc", size) ? NULL : __libc_malloc(size); }

void* calloc(size_t number, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(number, size, &bytes)) bytes = 0;
    return without_memory("calloc", bytes) ? NULL : __libc_calloc(number, size);
}

void* realloc(void* old, size_t size) { return without_memory("realloc", size) ? NULL : __libc_realloc(old, size); }

int posix_memalign(void** made, size_t alignment, size_t size) {
    if (without_memory("posix_memalign", size)) return ENOMEM;
    *made = __libc_memalign(alignment, size);
    return *made ? 0 : ENOMEM;
}

void* aligned_alloc(size_t alignment, size_t size) {
    return without_memory("aligned_alloc", size) ? NULL : __libc_memalign(alignment, size);
}
