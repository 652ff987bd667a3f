/* What a repair found, in words. */
#include "scheduler/daemon/repair.h"

#include <inttypes.h>

static void tell_pages(const struct repair *r)
{
    const struct salvage *f = &r->found;
    (void)printf("%s %s: %" PRIu32 " of %" PRIu32 " pages cannot be read",
                 r->o->check ? "looked at" : "repaired", r->db, f->bad_pages, f->pages);
    for (size_t i = 0; i < f->n_bad_page; i++)
        (void)printf("%s%" PRIu32, i ? ", " : " (", f->bad_page[i]);
    if (f->n_bad_page > 0)
        (void)printf("%s of %" PRIu32 " bytes)", f->bad_pages > f->n_bad_page ? ", ..." : "",
                     f->page_bytes);
    (void)printf("\n");
    if (f->told_pages > f->pages)
        (void)printf("the file was cut: %" PRIu32 " pages that it had are not there\n",
                     f->told_pages - f->pages);
    if (r->misfit.text[0] != '\0')
        (void)printf("what it held does not fit together: %s\n", r->misfit.text);
    if (!f->has_sums)
        (void)printf("it is from before chipq kept checksums of pages: a byte that changed inside "
                     "a row cannot be told\n");
    if (f->lost_frames > 0)
        (void)printf("the write-ahead log is broken behind frame %" PRIu64 ": %" PRIu64
                     " transactions (%" PRIu64
                     " pages) are lost, what was acknowledged in them too\n",
                     f->wal_frames, f->lost_commits, f->lost_frames);
}

static void tell_table(const struct salvaged_table *t)
{
    if (!t->is_damaged && t->refilled == 0)
        return;
    char lost[48] = "not known";
    if (t->is_lost_known)
        (void)snprintf(lost, sizeof lost, "%" PRIu64, t->lost);
    else if (t->lost > 0)
        (void)snprintf(lost, sizeof lost, "at least %" PRIu64, t->lost);
    (void)printf("  %-16s %10" PRIu64 " %10s %10" PRIu64 "\n", t->name, t->kept, lost, t->refilled);
}

static void tell_tables(const struct repair *r)
{
    bool is_any = false;
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        is_any = is_any || r->found.tables[i].is_damaged || r->found.tables[i].refilled > 0;
    if (!is_any) {
        (void)printf("no row of any table is lost\n");
        return;
    }
    (void)printf("  %-16s %10s %10s %10s\n", "table", "read", "lost", "made anew");
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        tell_table(&r->found.tables[i]);
}

static void tell_losses(const struct repair *r)
{
    const struct salvage *f = &r->found;
    if (f->is_journal_whole && salvage_needs_replay(f))
        (void)printf("the journal is whole: jobs, tasks and who is who were made anew from it\n");
    if (!f->is_journal_whole)
        (void)printf("the journal is not whole: history (chipq simulate --history) has a gap\n");
    if (salvage_table(f, "audit")->is_damaged)
        (void)printf("the audit has a gap: chipq admin audit --verify will name it\n");
    static const char *const of_tasks[] = {"task", "attempt", "pass"};
    for (size_t i = 0; !f->is_journal_whole && i < CQ_COUNT(of_tasks); i++)
        if (salvage_table(f, of_tasks[i])->is_damaged) {
            (void)printf("figures and exit codes of some tasks that are over are lost; how many of "
                         "a job passed is not\n");
            break;
        }
    if (r->jobs.len > 0)
        (void)fputs(cq_str_text(&r->jobs), stdout);
    else
        (void)printf("no job is lost\n");
}

void repair_tell(const struct repair *r)
{
    tell_pages(r);
    tell_tables(r);
    tell_losses(r);
    (void)printf("jobs that are not over and go on: %" PRIu64 "\n", r->live_jobs);
    if (r->raised_by > 0)
        (void)printf("numbers of new jobs begin %" PRIu64
                     " higher, above all that may have been given\n",
                     r->raised_by);
    if (r->o->check) {
        (void)printf("nothing was changed; without --check the new database takes its place\n");
        return;
    }
    (void)printf("the damaged database is %s\n", r->aside);
    (void)printf("workers tell what they run when they come back: what is known goes on, the rest "
                 "is stopped\n");
}
