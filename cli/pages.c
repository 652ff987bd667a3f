/* Asks for pages until there are no more; the option that says whose. */
#include "cli/pages.h"

#include "cli/to_json.h"

#define PAGER(name, NAME, row)                                       \
    static void skip_##name(struct msg *ask, uint64_t skip)          \
    {                                                                \
        ask->u.name##_query.skip = skip;                             \
    }                                                                \
    static bool take_##name(const struct msg *answer, json_t *rows)  \
    {                                                                \
        const struct msg_##name *m = &answer->u.name;                \
        for (size_t i = 0; i < m->n_rows; i++)                       \
            json_array_append_new(rows, json_of_##row(&m->rows[i])); \
        return m->has_more && m->n_rows > 0;                         \
    }                                                                \
    const struct pager pager_##name = {.ask = MSG_##NAME##_QUERY,    \
                                       .answer = MSG_##NAME,         \
                                       .set_skip = skip_##name,      \
                                       .take = take_##name};

PAGER(shares, SHARES, share_row)
PAGER(quotas, QUOTAS, quota_row)
PAGER(features, FEATURES, feature_row)
PAGER(reservations, RESERVATIONS, reservation_row)

const struct argp_option all_options[] = {
    {"all", 0x2001, NULL, 0, "every enterprise: act with the instance's admin key", 0},
    {0},
};

int all_options_set(void *opts, int key, const char *arg, struct cq_err *err)
{
    struct all_opts *o = opts;
    (void)key, (void)arg, (void)err;
    o->all = true;
    return 0;
}

json_t *pages_fetch(struct cli *c, const char *who, const struct pager *pager, struct cq_err *err)
{
    json_t *rows = json_array();
    struct net_client *s = session_open(c, who, err);
    bool has_more = s != NULL;
    int rc = s ? 0 : -1;
    while (rc == 0 && has_more) {
        struct msg ask = {.code = pager->ask}, reply = {0};
        pager->set_skip(&ask, json_array_size(rows));
        rc = session_call(s, &ask, pager->answer, &reply, err);
        has_more = rc == 0 && pager->take(&reply, rows);
        msg_fini(&reply);
    }
    net_client_close(s);
    if (rc == 0)
        return rows;
    json_decref(rows);
    return NULL;
}
