/* What a job asked for beside cores, memory and time. */
#ifndef JOB_REQUEST_H
#define JOB_REQUEST_H

#include "common/base/pure/str.h"
#include "common/wire/message.h"

#include <jansson.h>

/* All of it, with the words that `submit` takes; caller owns. */
json_t *job_request_json(const struct request_row *r);

/* What is not as it would be unasked, as options of `submit`: "--on-lost wait --grace 20s". */
void job_request_words(const struct request_row *r, struct cq_str *out);

#endif
