#include "worker/agent/home.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MACHINE_ID_MAX = 64 };

int home_id(const char *dir, const char *node, struct cq_uuid *out, struct cq_err *err)
{
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    struct stat st;
    char *path CQ_CLEANUP(cq_free_ptr) = realpath(dir, NULL);
    if (path == NULL || stat(path, &st) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot look at %s", dir);
    (void)!file_read("/etc/machine-id", MACHINE_ID_MAX, &text, NULL); /* containers may have none */
    cq_str_printf(&text, "\n%s\n%s\n%" PRIu64, node, path, (uint64_t)st.st_ino);
    (void)crypto_generichash(out->bytes, sizeof out->bytes, (const unsigned char *)text.data,
                             text.len, NULL, 0);
    return 0;
}
