/* The licence feed: asks a program, again and again, how many tokens of each feature are in use, by
 * anybody. Its runs and its answer never hold up the loop (feed_run.h); a run that fails changes no
 * number and is told as an error; the next comes at the normal time.
 *
 * The program runs with chipqd's account, so only a platform administrator may set it. */
#ifndef CHIPQ_FEED_H
#define CHIPQ_FEED_H

#include "common/net/loop.h"
#include "scheduler/core/input.h"

struct feed;

/* Called in the loop, once for each run: samples, or `error` alone. Borrowed for the call. */
typedef void (*feed_result_fn)(void *arg, const struct in_licence_feed *result);

struct feed *feed_new(struct loop *l, feed_result_fn fn, void *arg);
void feed_free(struct feed *f); /* accepts NULL; kills a program that runs */

/* What to run and how often; NULL or "" = nothing. Cheap when it is what it was, so that it can be
 * called each turn. After a change it runs in the next turn (no callback comes from inside); what
 * runs is killed without a result. Each run is given until the next one is due, at most 20 s. */
void feed_set(struct feed *f, const char *command, int64_t every_us);

#endif
