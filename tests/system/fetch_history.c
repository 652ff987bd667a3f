/* fetch-history KEYFILE OUT [ENTERPRISE]: what chipq simulate --history fetches, for the system
 * tests. */
#include "cli/history_fetch.h"

#include "common/net/curve.h"

#include <errno.h>

static struct history *fetch(const char *key_path, const char *enterprise, struct cq_err *err)
{
    struct curve_key key = {0};
    const struct net_client_options options = {.key = &key};
    const struct history_options history = {.enterprise = enterprise};
    if (curve_key_read(key_path, &key, err) != 0)
        return NULL;
    struct net_client *s = net_client_connect(&options, err);
    curve_key_wipe(&key);
    struct history *h = s ? history_fetch(s, &history, err) : NULL;
    net_client_close(s);
    return h;
}

static int write_file(const struct history *h, const char *path, struct cq_err *err)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return cq_fail_errno(err, CQ_E_IO, errno, "%s", path);
    int rc = history_write(h, file, err);
    (void)fclose(file);
    return rc;
}

int main(int argc, char **argv)
{
    struct cq_err err = {0};
    if (argc < 3 || argc > 4)
        return 2;
    struct history *h = fetch(argv[1], argc > 3 ? argv[3] : NULL, &err);
    int rc = h ? write_file(h, argv[2], &err) : -1;
    if (rc == 0)
        printf("%zu\n", history_tasks(h));
    else
        (void)fprintf(stderr, "%s\n", err.text);
    history_free(h);
    return rc == 0 ? 0 : cq_code_exit_status(err.code);
}
