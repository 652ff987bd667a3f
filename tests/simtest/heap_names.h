/* Included before all else in every file of chipq-simtest: memory comes from the heap of the
 * simulated process that runs, so that a process that is killed in the middle of anything leaves
 * nothing behind. */
#ifndef SIMTEST_HEAP_NAMES_H
#define SIMTEST_HEAP_NAMES_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void *sim_malloc(size_t bytes);
void *sim_calloc(size_t count, size_t bytes);
void *sim_realloc(void *old, size_t bytes);
void sim_free(void *p); /* accepts NULL */
char *sim_strdup(const char *text);
char *sim_strndup(const char *text, size_t bytes);

#define malloc  sim_malloc
#define calloc  sim_calloc
#define realloc sim_realloc
#define free    sim_free
#define strdup  sim_strdup
#define strndup sim_strndup

#endif
