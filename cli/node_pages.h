/* The pool's machines, however many: asked for page by page. */
#ifndef NODE_PAGES_H
#define NODE_PAGES_H

#include "cli/session.h"

typedef void (*nodes_fn)(void *arg, const struct msg_nodes *page);

/* Calls fn for each page, once at least. */
int nodes_fetch(struct net_client *s, nodes_fn fn, void *arg, struct cq_err *err) CQ_MUST_CHECK;

#endif
