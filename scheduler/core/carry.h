/* The carry: makes whole jobs average out to fractional shares.
 *
 * On four slots with weights 50/30/20 the fluid shares are 2, 1.2 and 0.8 slots. The charge of one
 * job is large beside the difference, so the plain key holds 2/1/1 for days. Every node therefore
 * keeps the integral of what it is owed: x - r, where x is the rate at which its key would equal
 * that of its group (the siblings that want something now). That integral, times a gain and never
 * more than one job, is taken off r in the key: the slot that cannot be cut in parts goes round.
 * In the fluid limit the carry is 0 and the key is the plain one; it never moves an allocation by
 * more than one job. The idea is that of a sigma-delta modulator, and of the deficit in deficit
 * round robin (Shreedhar, Varghese, SIGCOMM 1995); measured in docs/POLICY.md. */
#ifndef CHIPQ_CARRY_H
#define CHIPQ_CARRY_H

#include "scheduler/core/share.h"

/* Brings the integrals of a node and its group up to the share's time. Before any change of its
 * rate, c, weight or membership. */
void carry_settle(struct core *c, struct share_node *n);

/* Its rate and c change by so much (after carry_settle). */
void carry_charge(struct share_node *n, int64_t rate, double c_change);

/* Looks anew whether it counts in its group: it wants something, may have it, and has not had more
 * than its part already. */
void carry_review(struct core *c, struct share_node *n);

/* Something ended below `n`: settles it, and a few of its siblings in turn, so that those who wait
 * without any event of their own are owed more too. */
void carry_turn(struct core *c, struct share_node *n);
void carry_turn_siblings(struct core *c, const struct share_node *n); /* without itself */

void carry_scale(struct share_node *n, double factor); /* of c, at a new landmark */

#endif
