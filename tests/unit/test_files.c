// LINK: cq_base_sys
/* Files: bounds, secrets, atomic writes, trees, locks. */
#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static void set_up(void)
{
    (void)cq_copy_text(dir, sizeof dir, "/tmp/chipq-test-files-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void tear_down(void)
{
    cr_assert_eq(dir_remove(dir, NULL), 0);
}

TestSuite(files, .init = set_up, .fini = tear_down, .timeout = 30);

static char *in_dir(const char *name)
{
    return path_format("%s/%s", dir, name);
}

Test(files, whole_files_come_back_within_their_bound)
{
    CQ_CLEANUP(cq_free_ptr) char *path = in_dir("f");
    CQ_CLEANUP(cq_free_ptr) char *big = cq_calloc(100000, 1);
    struct cq_str got = {0};
    struct cq_err err = {0};
    struct stat st;
    cr_assert_eq(file_read(path, 10, &got, &err), -1);
    cr_assert_eq(err.code, CQ_E_NOT_FOUND);
    cr_assert_eq(file_write_atomic(path, big, 100000, 0640, &err), 0, "%s", err.text);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0640);
    cr_assert_eq(file_read(path, 100000, &got, &err), 0, "%s", err.text);
    cr_assert_eq(got.len, 100000);
    cr_assert_eq(file_read(path, 99999, &got, &err), -1);
    cr_assert_eq(err.code, CQ_E_LIMIT);
    cr_assert_eq(got.len, 100000, "untouched on failure");
    cr_assert_eq(file_write_atomic(path, "new", 3, 0600, &err), 0);
    cr_assert_eq(file_read(path, 10, &got, &err), 0);
    cr_assert_str_eq(cq_str_text(&got), "new");
    cr_assert_eq(file_read(dir, 10, &got, &err), -1);
    cr_assert_eq(err.code, CQ_E_INVALID);
    cq_str_fini(&got);
}

Test(files, a_fifo_does_not_block_the_reader)
{
    CQ_CLEANUP(cq_free_ptr) char *path = in_dir("fifo");
    struct cq_str got = {0};
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(file_read(path, 10, &got, NULL), -1);
}

Test(files, a_failed_atomic_write_leaves_nothing_behind)
{
    CQ_CLEANUP(cq_free_ptr) char *path = in_dir("d");
    struct cq_err err = {0};
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(file_write_atomic(path, "x", 1, 0600, &err), -1);
    cr_assert_eq(err.code, CQ_E_IO);
    CQ_CLEANUP(cq_free_ptr) char *nowhere = in_dir("no/such/f");
    cr_assert_eq(file_write_atomic(nowhere, "x", 1, 0600, &err), -1);
    cr_assert_eq(rmdir(path), 0);
    cr_assert_eq(rmdir(dir), 0, "no temporary file is left");
    cr_assert_eq(mkdir(dir, 0700), 0);
}

Test(files, trees_are_made_and_removed_without_following_links)
{
    CQ_CLEANUP(cq_free_ptr) char *deep = in_dir("a/b/c");
    CQ_CLEANUP(cq_free_ptr) char *top = in_dir("a");
    CQ_CLEANUP(cq_free_ptr) char *link = in_dir("a/b/link");
    CQ_CLEANUP(cq_free_ptr) char *outside = in_dir("outside");
    CQ_CLEANUP(cq_free_ptr) char *kept = in_dir("outside/kept");
    CQ_CLEANUP(cq_free_ptr) char *below = in_dir("outside/kept/x");
    struct cq_err err = {0};
    cr_assert_eq(dir_make(deep, 0700, &err), 0, "%s", err.text);
    cr_assert_eq(dir_make(deep, 0700, &err), 0, "making it again is fine");
    cr_assert_eq(dir_make(outside, 0700, &err), 0);
    cr_assert_eq(file_write_atomic(kept, "x", 1, 0600, &err), 0);
    cr_assert_eq(symlink(outside, link), 0);
    cr_assert_eq(dir_make(below, 0700, &err), -1);
    cr_assert_eq(dir_remove(top, &err), 0, "%s", err.text);
    cr_assert_eq(access(top, F_OK), -1);
    cr_assert_eq(access(kept, F_OK), 0);
    cr_assert_eq(dir_remove(top, &err), 0, "missing is fine");
}

Test(files, one_process_at_a_time_holds_a_pid_file)
{
    CQ_CLEANUP(cq_free_ptr) char *path = in_dir("x.pid");
    struct cq_err err = {0};
    cr_assert_eq(file_lock_holder(path), 0);
    int fd = file_lock_pid(path, &err);
    cr_assert_geq(fd, 0, "%s", err.text);
    cr_assert_eq(file_lock_holder(path), getpid());
    cr_assert_eq(file_lock_pid(path, &err), -1);
    cr_assert_eq(err.code, CQ_E_CONFLICT);
    CQ_CLEANUP(cq_free_ptr) char *who = path_format("pid %ld", (long)getpid());
    cr_assert(strstr(err.text, who) != NULL, "%s", err.text);
    close(fd);
    cr_assert_eq(file_lock_holder(path), 0, "the lock goes with its holder, the file stays");
    fd = file_lock_pid(path, &err);
    cr_assert_geq(fd, 0);
    close(fd);
}
