/* Lets the disk below FAILING_FOLDER fail for the program that preloads it.
 *
 * How is what the file FAILING_DISK holds, one character: "e" gives EIO to whoever writes or flushes,
 * "r" is a file system that was mounted anew for reading alone; all else is a good disk. Programs that
 * run notice at once when it changes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static const volatile char *how = "";
static const char *folder = "";

__attribute__((constructor)) static void start(void)
{
    const char *file = getenv("FAILING_DISK"), *below = getenv("FAILING_FOLDER");
    int opened = file && below ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (opened < 0)
        return;
    void *mapped = mmap(NULL, 1, PROT_READ, MAP_SHARED, opened, 0);
    close(opened);
    if (mapped != MAP_FAILED) {
        folder = below;
        how = mapped;
    }
}

static int is_below(const char *path)
{
    return *folder && strncmp(path, folder, strlen(folder)) == 0;
}

/* The error for what is written to an open file; 0 where the disk is good. */
static int write_error(int file)
{
    if (*how != 'e' && *how != 'r')
        return 0;
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return !is_below(path) ? 0 : *how == 'e' ? EIO : EROFS;
}

/* The error for what changes a folder, or opens a file to write it. */
static int change_error(const char *path)
{
    char whole[PATH_MAX];
    if (*how != 'r' || !path)
        return 0;
    if (*path != '/') {
        if (!getcwd(whole, sizeof whole))
            return 0;
        path = whole;
    }
    return is_below(path) ? EROFS : 0;
}

#define TRUE(name) \
    static __typeof__(name) *real; \
    if (!real) \
        real = dlsym(RTLD_NEXT, #name)
#define FAIL(error) \
    do { \
        int found = error; \
        if (found) { \
            errno = found; \
            return -1; \
        } \
    } while (0)

#define ON_FILE(result, name, given, ...) \
    result name given \
    { \
        TRUE(name); \
        FAIL(write_error(file)); \
        return real(__VA_ARGS__); \
    }
#define ON_PATH(name, given, ...) \
    int name given \
    { \
        TRUE(name); \
        FAIL(change_error(path)); \
        return real(__VA_ARGS__); \
    }
#define OPENS(name, given, ...) \
    int name(given const char *path, int flags, ...) \
    { \
        TRUE(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        if (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) \
            FAIL(change_error(path)); \
        return real(__VA_ARGS__, mode); \
    }

ON_FILE(ssize_t, write, (int file, const void *from, size_t size), file, from, size)
ON_FILE(ssize_t, pwrite, (int file, const void *from, size_t size, off_t at), file, from, size, at)
ON_FILE(ssize_t, pwrite64, (int file, const void *from, size_t size, off64_t at), file, from, size, at)
ON_FILE(ssize_t, writev, (int file, const struct iovec *from, int count), file, from, count)
ON_FILE(int, fsync, (int file), file)
ON_FILE(int, fdatasync, (int file), file)
ON_FILE(int, ftruncate, (int file, off_t size), file, size)
ON_FILE(int, ftruncate64, (int file, off64_t size), file, size)
ON_PATH(mkdir, (const char *path, mode_t mode), path, mode)
ON_PATH(unlink, (const char *path), path)
ON_PATH(rename, (const char *path, const char *target), path, target)
#define COMMA ,
OPENS(open, , path, flags)
OPENS(open64, , path, flags)
OPENS(openat, int at COMMA, at, path, flags)
OPENS(openat64, int at COMMA, at, path, flags)
