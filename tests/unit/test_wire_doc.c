// LINK: cq_wire cq_base_sys
/* docs/PROTOCOL.md is what wire-doc prints now. */
#include "common/base/pure/str.h"
#include "common/base/sys/files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The build's programs lie beside its tests: BUILD/tests/this, BUILD/bin/wire-doc. */
static char *generator_path(void)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    cr_assert_gt(n, 0);
    self[n] = '\0';
    for (int i = 0; i < 2; i++)
        *strrchr(self, '/') = '\0';
    return path_format("%s/bin/wire-doc", self);
}

static void run_generator(const char *output)
{
    char *path = generator_path(), *argv[] = {path, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_TRUNC, 0600);
    cr_assert_eq(posix_spawn(&pid, path, &actions, NULL, argv, environ), 0, "%s", path);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    posix_spawn_file_actions_destroy(&actions);
    free(path);
}

Test(wire_doc, the_protocol_page_is_fresh)
{
    char output[] = "/tmp/chipq-test-doc-XXXXXX";
    struct cq_str now = {0}, page = {0};
    struct cq_err err = {0};
    int fd = mkstemp(output);
    cr_assert_geq(fd, 0);
    close(fd);
    run_generator(output);
    cr_assert_eq(file_read(output, 1 << 20, &now, &err), 0, "%s", err.text);
    cr_assert_eq(file_read(CHIPQ_SOURCE_DIR "/docs/PROTOCOL.md", 1 << 20, &page, &err), 0, "%s",
                 err.text);
    cr_assert(page.len == now.len && memcmp(page.data, now.data, now.len) == 0,
              "docs/PROTOCOL.md is stale; run: ninja docs");
    cr_assert_eq(unlink(output), 0);
    cq_str_fini(&now);
    cq_str_fini(&page);
}
