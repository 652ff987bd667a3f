/* Files of the simulated kernel. They are few and live in one directory of each machine: the
 * journals of leases, and the names of sockets. */
#include "tests/simtest/kernel_internal.h"

#include "common/base/pure/err.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"
#include "tests/simtest/breaks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>

struct file *file_find(struct machine *m, const char *name)
{
    struct file *f = m ? m->files : NULL;
    while (f && strcmp(f->name, name) != 0)
        f = f->next;
    return f;
}

struct file *file_make(struct machine *m, const char *name)
{
    struct heap *old = heap_enter(&sim.world);
    struct file *f = CQ_NEW(struct file);
    heap_leave(old);
    if (!cq_copy_text(f->name, sizeof f->name, name))
        abort();
    f->refs = 1;
    f->is_linked = true;
    f->next = m->files;
    m->files = f;
    return f;
}

void file_unref(struct file *f)
{
    if (--f->refs > 0)
        return;
    free(f->data);
    free(f);
}

static void unlink_file(struct machine *m, struct file *f)
{
    struct file **at = &m->files;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    f->is_linked = false;
    file_unref(f);
}

static struct machine *here(void)
{
    return sim.current->machine;
}

static int open_file(struct file *f, int flags)
{
    struct handle *h = handle_new(HANDLE_FILE);
    h->file = f;
    h->appends = (flags & O_APPEND) != 0;
    f->refs++;
    return fd_new(h);
}

int sim_openat(int dir, const char *name, int flags, ...)
{
    (void)dir;
    if (strcmp(name, ".") == 0) {
        struct handle *h = handle_new(HANDLE_DIR);
        h->machine = here();
        return fd_new(h);
    }
    if (strncmp(name, "cgroup", 6) == 0)
        return no_fd(ENOENT);
    struct file *f = file_find(here(), name);
    if (f && (flags & O_EXCL))
        return no_fd(EEXIST);
    if (f == NULL && !(flags & O_CREAT))
        return no_fd(ENOENT);
    return open_file(f ? f : file_make(here(), name), flags);
}

/* /proc/PID/stat: field 22 says when it was born. Pids are not used again here. */
static int open_stat(uint64_t pid)
{
    char text[128];
    const struct proc *p = kernel_process(pid);
    if (p == NULL || p->machine != here())
        return no_fd(ENOENT);
    int n = snprintf(text, sizeof text, "%llu (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %llu 0",
                     (unsigned long long)pid, (unsigned long long)pid * 10);
    struct handle *h = handle_new(HANDLE_OTHER);
    struct heap *old = heap_enter(&sim.world);
    h->data = cq_memdup(text, (size_t)n);
    heap_leave(old);
    h->len = (size_t)n;
    return fd_new(h);
}

int sim_open(const char *path, int flags, ...)
{
    static const char by_fd[] = "/proc/self/fd/", by_pid[] = "/proc/";
    if (strncmp(path, by_fd, sizeof by_fd - 1) == 0) {
        const struct handle *h = fd_handle((int)strtol(path + sizeof by_fd - 1, NULL, 10));
        return h && h->file ? open_file(h->file, flags) : no_fd(ENOENT);
    }
    if (strncmp(path, by_pid, sizeof by_pid - 1) == 0)
        return open_stat(strtoull(path + sizeof by_pid - 1, NULL, 10));
    if (flags & O_DIRECTORY) {
        struct handle *h = handle_new(HANDLE_DIR);
        h->machine = here();
        return fd_new(h);
    }
    return fd_new(handle_new(HANDLE_OTHER));
}

int sim_flock(int fd, int how)
{
    struct handle *h = fd_handle(fd);
    if (h == NULL || h->file == NULL)
        return no_fd(EBADF);
    if (h->file->lock && h->file->lock != h)
        return no_fd(EWOULDBLOCK);
    h->file->lock = how & LOCK_UN ? NULL : h;
    return 0;
}

static int write_at(struct file *f, const void *data, size_t bytes, size_t at)
{
    while (f->cap < at + bytes) {
        struct heap *old = heap_enter(&sim.world);
        f->cap = f->cap ? f->cap * 2 : 32768;
        f->data = cq_realloc(f->data, f->cap, 1);
        heap_leave(old);
    }
    memcpy(f->data + at, data, bytes);
    if (at + bytes > f->len)
        f->len = at + bytes;
    return 0;
}

int sim_write_all(int fd, const void *data, size_t bytes)
{
    kernel_may_end();
    struct handle *h = fd_handle(fd);
    if (h == NULL || h->file == NULL)
        return no_fd(EBADF);
    return write_at(h->file, data, bytes, h->file->len);
}

ssize_t sim_pwrite(int fd, const void *from, size_t bytes, off_t at)
{
    struct handle *h = fd_handle(fd);
    if (h == NULL || h->file == NULL)
        return no_fd(EBADF);
    (void)write_at(h->file, from, bytes, h->appends ? h->file->len : (size_t)at);
    return (ssize_t)bytes;
}

ssize_t sim_pread(int fd, void *to, size_t bytes, off_t at)
{
    const struct handle *h = fd_handle(fd);
    if (h == NULL || h->file == NULL)
        return no_fd(EBADF);
    size_t from = (size_t)at;
    if (from >= h->file->len)
        return 0;
    size_t n = h->file->len - from < bytes ? h->file->len - from : bytes;
    memcpy(to, h->file->data + from, n);
    return (ssize_t)n;
}

int sim_fdatasync(int fd)
{
    kernel_may_end();
    struct handle *h = fd_handle(fd);
    if (h == NULL || h->file == NULL)
        return no_fd(EBADF);
    h->file->synced = h->file->len;
    return 0;
}

int sim_fstat(int fd, struct stat *st)
{
    const struct handle *h = fd_handle(fd);
    if (h == NULL || h->file == NULL)
        return no_fd(EBADF);
    memset(st, 0, sizeof *st);
    st->st_size = (off_t)h->file->len;
    return 0;
}

int sim_ftruncate(int fd, off_t length)
{
    struct handle *h = fd_handle(fd);
    if (h == NULL || h->file == NULL || (size_t)length > h->file->len)
        return no_fd(EINVAL);
    h->file->len = (size_t)length;
    return 0;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int sim_unlink(const char *path)
{
    kernel_may_end();
    struct file *f = file_find(here(), last_part(path));
    if (f == NULL)
        return no_fd(ENOENT);
    if (breaks(BREAK_LITTER))
        return no_fd(EPERM);
    unlink_file(here(), f);
    return 0;
}

int sim_unlinkat(int dir, const char *name, int flags)
{
    (void)dir;
    (void)flags;
    return sim_unlink(name);
}

int sim_rename(const char *from, const char *to)
{
    kernel_may_end();
    struct file *f = file_find(here(), last_part(from));
    struct file *old = file_find(here(), last_part(to));
    if (f == NULL)
        return no_fd(ENOENT);
    if (old && old != f)
        unlink_file(here(), old);
    (void)cq_copy_text(f->name, sizeof f->name, last_part(to));
    return 0;
}

/* A power loss takes the newest names, if any, and of each file what was written last: never what
 * was synced. */
void kernel_lose_power(struct machine *m)
{
    size_t n_gone = dice_chance(500) ? dice_roll(4) : 0;
    while (n_gone-- > 0 && m->files && m->files->synced == 0)
        unlink_file(m, m->files);
    for (struct file *f = m->files; f; f = f->next)
        f->len = (size_t)dice_between((int64_t)f->synced, (int64_t)f->len);
}

size_t kernel_n_files(const struct machine *m)
{
    size_t n = 0;
    for (const struct file *f = m->files; f; f = f->next)
        n++;
    return n;
}

const char *kernel_file_name(const struct machine *m)
{
    return m->files ? m->files->name : "";
}

/* ---- directories: the order is that of creation, the newest first ---- */

struct listing {
    struct dirent entry;
    char (*names)[48];
    size_t n, at;
};

DIR *sim_fdopendir(int fd)
{
    const struct handle *h = fd_handle(fd);
    if (h == NULL || h->machine == NULL)
        return NULL;
    struct listing *l = CQ_NEW(struct listing);
    l->names = cq_calloc(kernel_n_files(h->machine) + 1, sizeof *l->names);
    for (const struct file *f = h->machine->files; f; f = f->next)
        memcpy(l->names[l->n++], f->name, sizeof f->name);
    (void)sim_close(fd);
    return (DIR *)l;
}

struct dirent *sim_readdir(DIR *dir)
{
    struct listing *l = (struct listing *)dir;
    if (l->at == l->n)
        return NULL;
    (void)cq_copy_text(l->entry.d_name, sizeof l->entry.d_name, l->names[l->at++]);
    return &l->entry;
}

int sim_closedir(DIR *dir)
{
    struct listing *l = (struct listing *)dir;
    free(l->names);
    free(l);
    return 0;
}

int sim_dir_make(const char *path, mode_t mode, struct cq_err *err)
{
    (void)path;
    (void)mode;
    (void)err;
    return 0;
}

int sim_dir_remove(const char *path, struct cq_err *err)
{
    (void)path;
    (void)err;
    return 0;
}

int sim_file_lock_pid(const char *path, struct cq_err *err)
{
    (void)path;
    (void)err;
    return fd_new(handle_new(HANDLE_OTHER));
}

char *sim_path_format(const char *fmt, ...)
{
    char text[4096];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        abort();
    return cq_strdup(text);
}
