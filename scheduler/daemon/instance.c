/* DIR/instance: which database belongs here. Without it, a database that was copied to the wrong
 * place would be served, and its jobs started a second time. */
#include "scheduler/daemon/serve.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

static char *file_of(const struct daemon_options *o)
{
    return path_format("%s/instance", o->dir);
}

static bool is_id(const char *text)
{
    return strlen(text) == STORE_ID_CHARS && strspn(text, "0123456789abcdef") == STORE_ID_CHARS;
}

int instance_read(const struct daemon_options *o, char id[STORE_ID_CHARS + 1], struct cq_err *err)
{
    char *path CQ_CLEANUP(cq_free_ptr) = file_of(o);
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    struct cq_err why = {0};
    id[0] = '\0';
    if (file_read(path, 256, &text, &why) != 0)
        return why.code == CQ_E_NOT_FOUND ? 0 : cq_fail(err, why.code, "%s", why.text);
    cq_str_truncate(&text, strcspn(cq_str_text(&text), "\n"));
    if (!is_id(cq_str_text(&text)))
        return cq_fail(err, CQ_E_INVALID,
                       "%s is not what chipqd wrote; remove it if db/ holds this instance's own "
                       "database",
                       path);
    (void)cq_copy_text(id, STORE_ID_CHARS + 1, cq_str_text(&text));
    return 0;
}

int instance_write(const struct daemon_options *o, struct store *s, struct cq_err *err)
{
    char *path CQ_CLEANUP(cq_free_ptr) = file_of(o);
    char text[STORE_ID_CHARS + 2];
    if (store_id(s, text, err) != 0)
        return -1;
    text[STORE_ID_CHARS] = '\n';
    return file_write_atomic(path, text, STORE_ID_CHARS + 1, 0600, err);
}
