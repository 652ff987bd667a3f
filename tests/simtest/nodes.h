/* The programs of chipq as simulated processes. */
#ifndef SIMTEST_NODES_H
#define SIMTEST_NODES_H

#include "common/net/curve.h"
#include "common/wire/message.h"
#include "tests/simtest/kernel.h"

enum { MACHINES_MAX = 4, CLIENTS_MAX = 4, OPERATOR = CLIENTS_MAX, PEOPLE = CLIENTS_MAX + 1 };
extern const char *const people_names[PEOPLE]; /* client.c; the operator comes last */

struct settings { /* of a run, drawn from its seed */
    int64_t heartbeat_us, lease_us, grace_us, suspect_us;
    size_t n_machines, n_clients;
};
extern struct settings settings;

/* A keeper that was stopped for longer may act too late: then, and only then, may two attempts of a
 * task be alive at once. */
static inline int64_t frozen_us(void)
{
    return settings.grace_us - SECONDS;
}

extern struct machine machines[MACHINES_MAX];
extern struct clock head_clock; /* of chipqd's host and the clients' */

void key_of(const char *name, const char *role, struct curve_key *key);

/* master.c */
extern struct proc *master; /* NULL or dead: none runs */
void master_make_disk(void);
void master_start(void);
const struct core *master_core(void); /* of the chipqd that lives, between its turns */

/* execd.c: starts agents and shepherds of a machine, and is the parent of both */
void machine_boot(struct machine *m);
void machine_lose_power(struct machine *m);
void machine_kill_execd(struct machine *m);  /* it is started again; shepherds live on */
void machine_start_execd(struct machine *m); /* unless it runs */
void machine_freeze(struct machine *m, int64_t until_us);
struct proc *machine_shepherd(const struct machine *m, size_t nth); /* NULL: not so many */
size_t machine_n_shepherds(const struct machine *m);

/* agent.c, shepherd.c */
struct proc *agent_start(struct machine *m, int execd_fd);
void agent_stop(struct machine *m); /* SIGTERM, as for an upgrade */
struct proc *shepherd_start(struct machine *m, uint64_t lease, const int fds[3],
                            void (*died)(struct proc *p));

/* client.c */
void clients_start(void);
void clients_retire(void);   /* no more submits; they look after what waits for a person, and an
                                operator resumes machines that chipqd has drained */
void clients_kill(size_t i); /* another one of that person starts later */
void clients_end(void);      /* gives back what coroutines need */

#endif
