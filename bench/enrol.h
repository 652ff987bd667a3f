/* Keys for virtual workers: each is a principal of the instance with the role worker, added and
 * revoked with the platform admin's key as `chipq admin user` would. */
#ifndef BENCH_ENROL_H
#define BENCH_ENROL_H

#include "bench/session.h"

/* Draws `n` key pairs (caller frees) and adds them as users NAME-1 .. NAME-n of no enterprise. */
int enrol_workers(struct session *admin, const char *name, size_t n, struct curve_key **keys,
                  struct cq_err *err) CQ_MUST_CHECK;
int enrol_revoke(struct session *admin, const char *name, size_t n,
                 struct cq_err *err) CQ_MUST_CHECK;

#endif
