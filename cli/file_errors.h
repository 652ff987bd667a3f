/* The end of a command that was given a file with errors. */
#ifndef FILE_ERRORS_H
#define FILE_ERRORS_H

#include "cli/cli.h"
#include "cli/flow.h"

/* Prints the problems in the file's order, to stderr, or with --json to stdout, and fills `err`
 * with how many there are and the outcome ("nothing was submitted"). Returns -1. */
int file_errors_fail(struct cli *c, struct flow_errors *e, const char *path, const char *outcome,
                     struct cq_err *err);

#endif
