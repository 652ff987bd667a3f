/* Keys. For virtual workers: each is a principal of the instance with the role worker, added and
 * revoked with the platform admin's key as `chipq admin user` would. */
#ifndef BENCH_ENROL_H
#define BENCH_ENROL_H

#include "bench/session.h"

/* Draws `n` key pairs (caller frees) and adds them as users NAME-1 .. NAME-n of no enterprise. */
int enrol_workers(struct session *admin, const char *name, size_t n, struct curve_key **keys,
                  struct cq_err *err) CQ_MUST_CHECK;
int enrol_revoke(struct session *admin, const char *name, size_t n,
                 struct cq_err *err) CQ_MUST_CHECK;

/* A new enterprise, without limits, and in it one designer, "load", with a key pair that is drawn
 * into `key`; its other fields stay. Enterprises cannot be removed; the user can. */
int enrol_enterprise(struct session *admin, const char *name, struct curve_key *key,
                     struct cq_err *err) CQ_MUST_CHECK;
int enrol_revoke_enterprise(struct session *admin, const char *name,
                            struct cq_err *err) CQ_MUST_CHECK;

#endif
