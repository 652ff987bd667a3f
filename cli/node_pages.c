#include "cli/node_pages.h"

int nodes_fetch(struct net_client *s, nodes_fn fn, void *arg, struct cq_err *err)
{
    uint64_t n = 0;
    for (bool has_more = true; has_more;) {
        struct msg ask = {.code = MSG_NODES_QUERY}, reply = {0};
        ask.u.nodes_query.skip = n;
        if (session_call(s, &ask, MSG_NODES, &reply, err) != 0)
            return -1;
        if (n == 0 || reply.u.nodes.n_nodes > 0)
            fn(arg, &reply.u.nodes);
        n += reply.u.nodes.n_nodes;
        has_more = reply.u.nodes.has_more && reply.u.nodes.n_nodes > 0;
        msg_fini(&reply);
    }
    return 0;
}
