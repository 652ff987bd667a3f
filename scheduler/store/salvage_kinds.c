/* What a row of each table must be: what a page says is believed only when it is so. */
#include "scheduler/store/salvage.h"

#include "common/base/pure/flat.h"

enum { TASK_BYTES_MAX = 64 * 1024 };

static bool is_record(uint64_t type, const struct salvage_value *version,
                      const struct salvage_value *payload)
{
    struct record *r = NULL;
    bool ok = record_decode((enum record_type)type, (uint64_t)version->i, payload->data,
                            payload->bytes, &r, NULL)
              == 0;
    record_free(r);
    return ok;
}

static bool is_journal(const struct salvage_row *r)
{
    return is_record((uint64_t)r->columns[2].i, &r->columns[3], &r->columns[4]);
}

static bool is_entity(const struct salvage_row *r)
{
    return is_record((uint64_t)r->columns[0].i, &r->columns[2], &r->columns[3]);
}

static bool is_request(const struct salvage_row *r)
{
    return is_record(RECORD_JOB_SUBMIT, &r->columns[1], &r->columns[2]);
}

static bool is_job(const struct salvage_row *r)
{
    uint64_t state = (uint64_t)r->columns[18].i;
    return state > JOB_NONE && state < JOB_STATE_COUNT;
}

static bool is_task(const struct salvage_row *r)
{
    struct stored_task t = {0};
    if (stored_task_decode(r->columns[3].data, r->columns[3].bytes, &t, NULL) != 0)
        return false;
    bool ok = t.task == (uint64_t)r->columns[1].i && t.attempt == (uint64_t)r->columns[2].i;
    stored_task_fini(&t);
    return ok;
}

static bool is_pass(const struct salvage_row *r)
{
    struct flat_reader in = flat_reader_of(r->columns[3].data, r->columns[3].bytes);
    bool ok = true;
    while (ok && !in.failed && !flat_at_end(&in)) {
        size_t bytes;
        const void *data = flat_get_bytes(&in, TASK_BYTES_MAX, &bytes);
        struct stored_task t = {0};
        ok = !in.failed && stored_task_decode(data, bytes, &t, NULL) == 0;
        stored_task_fini(&t);
    }
    return ok && !in.failed;
}

/* Columns: k the row's number, i integer, r integer or real, t text, b blob, T and B the same or
 * NULL. `least`: older databases have fewer. */
const struct salvage_kind salvage_kinds[SALVAGE_TABLES] = {
    {"journal", "kiiib", 5, is_journal, false, true},
    {"reign", "ki", 2, NULL, false, false},
    {"entity", "iiib", 4, is_entity, true, false},
    {"job", "kiiiittttttiiiiiiiiiiiiiiiiiittttiTBtt", 36, is_job, false, false},
    {"job_request", "kib", 3, is_request, false, true},
    {"submit_key", "iii", 3, NULL, true, false},
    {"task", "iiib", 4, is_task, true, false},
    {"attempt", "iiib", 4, is_task, true, true},
    {"pass", "iiib", 4, is_pass, true, true},
    {"usage", "iiiiiiiii", 9, NULL, true, false},
    {"usage_wait", "iiiiii", 6, NULL, true, false},
    {"usage_licence", "iiiiti", 6, NULL, true, false},
    {"audit", "kiititttbb", 10, NULL, false, true},
    {"efficiency", "iiiiitrrrrrriiib", 16, NULL, true, false},
    {"efficiency_fill", "kii", 3, NULL, false, false},
};

static bool fits_column(char wanted, const struct salvage_value *v)
{
    switch (wanted) {
    case 'k':
        return v->kind == 'n';
    case 'r':
        return v->kind == 'r' || v->kind == 'i';
    case 'T':
        return v->kind == 't' || v->kind == 'n';
    case 'B':
        return v->kind == 'b' || v->kind == 'n';
    default:
        return v->kind == wanted;
    }
}

bool salvage_fits(const struct salvage_kind *k, const struct salvage_row *r)
{
    if (r->n < k->least || r->n > strlen(k->columns))
        return false;
    for (size_t i = 0; i < r->n; i++)
        if (!fits_column(k->columns[i], &r->columns[i]))
            return false;
    return k->check == NULL || k->check(r);
}
