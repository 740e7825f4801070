// Loaded before the C library: lets calls on files fail as a bad disk would. The first byte of the
// file that DISK_FAULT names says how, the rest up to a zero which files, by a part of their path;
// only files whose paths begin with DISK_UNDER are ever touched. From byte 2048 on stand three
// numbers: how far the write-ahead log of DISK_UNDER is written, how far it was when last flushed,
// and how many calls have failed.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static volatile char *fault;
static const char *under;
static volatile size_t *log_ends;
static volatile size_t *struck;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("DISK_FAULT");
    under = getenv("DISK_UNDER");
    int fd = path ? open(path, O_RDWR) : -1;
    if (fd >= 0 && under) {
        void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            fault = map;
            log_ends = (volatile size_t *)((char *)map + 2048);
            struck = log_ends + 2;
        }
        close(fd);
    }
}

// The path of a file behind where DISK_UNDER ends, if it begins so.
static const char *behind(int fd, char path[4096]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, 4095);
    if (length < 0) return NULL;
    path[length] = 0;
    return strncmp(path, under, strlen(under)) == 0 ? path + strlen(under) : NULL;
}

// Whether the fault is one of those kinds and this file is meant.
static int strikes(int fd, const char *kinds) {
    char path[4096];
    if (!fault || !*fault || !strchr(kinds, *fault)) return 0;
    if (!behind(fd, path) || !strstr(path, (const char *)fault + 1)) return 0;
    __atomic_add_fetch(struck, 1, __ATOMIC_RELAXED);
    return 1;
}

static int is_log(int fd) {
    char path[4096];
    const char *rest = log_ends ? behind(fd, path) : NULL;
    return rest && strcmp(rest, "-wal") == 0;
}

// Notes a write that ends there. One at the beginning begins the log anew.
static ssize_t noted(int fd, ssize_t length, off64_t end) {
    if (length <= 0 || !is_log(fd)) return length;
    if (end == length) log_ends[1] = 0;
    if (end == length || (size_t)end > log_ends[0]) log_ends[0] = end;
    return length;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(code) do { errno = code; return -1; } while (0)

// F: no space. W: writes fail. O: the file system became read-only. R: reads fail.
// S: flushes fail. s: one flush fails.
static int refused(int fd) {
    if (strikes(fd, "F")) return ENOSPC;
    if (strikes(fd, "W")) return EIO;
    if (strikes(fd, "O")) return EROFS;
    return 0;
}

// Where a file stands; anything else that is written to stands nowhere.
static off64_t here(int fd) {
    int before = errno;
    off64_t at = lseek64(fd, 0, SEEK_CUR);
    errno = before;
    return at;
}

#define WRITER(name, arguments, values, end)                                                      \
    ssize_t name arguments {                                                                      \
        int code = refused(fd);                                                                   \
        if (code) FAIL(code);                                                                     \
        ssize_t done = REAL(name) values;                                                         \
        return noted(fd, done, end);                                                              \
    }
WRITER(write, (int fd, const void *data, size_t length), (fd, data, length), here(fd))
WRITER(pwrite, (int fd, const void *data, size_t length, off_t at), (fd, data, length, at), at + done)
WRITER(pwrite64, (int fd, const void *data, size_t length, off64_t at), (fd, data, length, at), at + done)

#define READER(name, arguments, values)                                                           \
    ssize_t name arguments {                                                                      \
        if (strikes(fd, "R")) FAIL(EIO);                                                          \
        return REAL(name) values;                                                                 \
    }
READER(read, (int fd, void *data, size_t length), (fd, data, length))
READER(pread, (int fd, void *data, size_t length, off_t at), (fd, data, length, at))
READER(pread64, (int fd, void *data, size_t length, off64_t at), (fd, data, length, at))

#define FLUSHER(name)                                                                             \
    int name(int fd) {                                                                            \
        int once = strikes(fd, "s");                                                              \
        if (once) *fault = 0;                                                                     \
        if (once || strikes(fd, "S")) FAIL(EIO);                                                  \
        size_t end = is_log(fd) ? log_ends[0] : 0;                                                \
        int code = REAL(name)(fd);                                                                \
        if (end && !code) log_ends[1] = end;                                                      \
        return code;                                                                              \
    }
FLUSHER(fsync)
FLUSHER(fdatasync)
