// Loaded before the C library: lets calls on files fail as a bad disk would. The first byte of the
// file that DISK_FAULT names says how, the rest up to a zero which files, by a part of their path;
// only what lies in the folder DISK_UNDER is ever touched.
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

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("DISK_FAULT");
    under = getenv("DISK_UNDER");
    int fd = path ? open(path, O_RDWR) : -1;
    if (fd >= 0 && under) {
        void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) fault = map;
        close(fd);
    }
}

// Whether the fault is one of those kinds and this file is meant.
static int strikes(int fd, const char *kinds) {
    char link[64], path[4096];
    if (!fault || !*fault || !strchr(kinds, *fault)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, under, strlen(under)) == 0 && strstr(path, (const char *)fault + 1);
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

#define WRITER(name, arguments, values)                                                           \
    ssize_t name arguments {                                                                      \
        int code = refused(fd);                                                                   \
        if (code) FAIL(code);                                                                     \
        return REAL(name) values;                                                                 \
    }
WRITER(write, (int fd, const void *data, size_t length), (fd, data, length))
WRITER(pwrite, (int fd, const void *data, size_t length, off_t at), (fd, data, length, at))
WRITER(pwrite64, (int fd, const void *data, size_t length, off64_t at), (fd, data, length, at))

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
        return REAL(name)(fd);                                                                    \
    }
FLUSHER(fsync)
FLUSHER(fdatasync)
