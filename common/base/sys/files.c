/* Small file work. */
#include "common/base/sys/files.h"
#include "common/base/pure/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int write_all(int fd, const void *data, size_t bytes)
{
    const char *p = data;
    while (bytes > 0) {
        ssize_t n = write(fd, p, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int read_all(int fd, const char *path, size_t max_bytes, struct cq_str *out,
                    struct cq_err *err)
{
    char buf[16384];
    struct cq_str got = {0};
    for (;;) {
        ssize_t n = read(fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            cq_str_fini(&got);
            return cq_fail_errno(err, CQ_E_IO, errno, "cannot read %s", path);
        }
        if (n == 0)
            break;
        if (got.len + (size_t)n > max_bytes) {
            cq_str_fini(&got);
            return cq_fail(err, CQ_E_LIMIT, "%s is larger than %zu bytes", path, max_bytes);
        }
        cq_str_append(&got, buf, (size_t)n);
    }
    cq_str_fini(out);
    *out = got;
    return 0;
}

static int open_regular(const char *path, int flags, struct stat *st, struct cq_err *err)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cq_fail_errno(err, errno == ENOENT ? CQ_E_NOT_FOUND : CQ_E_IO, errno,
                             "cannot open %s", path);
    if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
        return fd;
    close(fd);
    return cq_fail(err, CQ_E_INVALID, "%s is not a regular file", path);
}

int file_read(const char *path, size_t max_bytes, struct cq_str *out, struct cq_err *err)
{
    struct stat st;
    CQ_CLEANUP(close_fd) int fd = open_regular(path, 0, &st, err);
    return fd < 0 ? -1 : read_all(fd, path, max_bytes, out, err);
}

int file_read_secret(const char *path, size_t max_bytes, struct cq_str *out, struct cq_err *err)
{
    struct stat st;
    CQ_CLEANUP(close_fd) int fd = open_regular(path, O_NOFOLLOW, &st, err);
    if (fd < 0)
        return -1;
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return cq_fail(err, CQ_E_DENIED,
                       "%s belongs to another account (uid %u); keys must be your own", path,
                       (unsigned)st.st_uid);
    if (st.st_mode & 077)
        return cq_fail(err, CQ_E_DENIED, "%s can be read or written by others; run: chmod 600 %s",
                       path, path);
    return read_all(fd, path, max_bytes, out, err);
}

int file_write_atomic(const char *path, const void *data, size_t bytes, mode_t mode,
                      struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *temp = path_format("%s.XXXXXX", path);
    CQ_CLEANUP(close_fd) int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot write %s", path);
    if (write_all(fd, data, bytes) != 0 || fchmod(fd, mode) != 0 || fsync(fd) != 0
        || rename(temp, path) != 0) {
        int why = errno;
        (void)unlink(temp);
        return cq_fail_errno(err, CQ_E_IO, why, "cannot write %s", path);
    }
    return 0;
}

int dir_make(const char *path, mode_t mode, struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *copy = cq_strdup(path);
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) != 0 && errno != EEXIST)
            return cq_fail_errno(err, CQ_E_IO, errno, "cannot make directory %s", copy);
        *p = '/';
    }
    if (mkdir(copy, mode) != 0 && errno != EEXIST)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot make directory %s", copy);
    struct stat st;
    if (stat(copy, &st) != 0 || !S_ISDIR(st.st_mode))
        return cq_fail(err, CQ_E_IO, "%s is not a directory", copy);
    return 0;
}

static int remove_entry(const char *path, CQ_UNUSED const struct stat *st, CQ_UNUSED int flag,
                        CQ_UNUSED struct FTW *ftw)
{
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

int dir_remove(const char *path, struct cq_err *err)
{
    if (nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT)
        return 0;
    return cq_fail_errno(err, CQ_E_IO, errno, "cannot remove %s", path);
}

int dir_sync(const char *path, struct cq_err *err)
{
    CQ_CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "%s", path);
    return 0;
}

int file_lock_pid(const char *path, struct cq_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot open %s", path);
    char text[32];
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        close(fd);
        return cq_fail(err, CQ_E_CONFLICT, "already running (pid %ld holds %s)",
                       strtol(text, NULL, 10), path);
    }
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* Over the old one, cut afterwards: so a full disk has room for it. */
    if (write_all(fd, text, (size_t)n) != 0 || ftruncate(fd, n) != 0) {
        close(fd);
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot write %s", path);
    }
    return fd;
}

pid_t file_lock_holder(const char *path)
{
    CQ_CLEANUP(close_fd) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    char text[32];
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return (pid_t)strtol(text, NULL, 10);
}

char *path_format(const char *fmt, ...)
{
    char *path = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&path, fmt, args);
    va_end(args);
    if (n < 0)
        abort();
    return path;
}
