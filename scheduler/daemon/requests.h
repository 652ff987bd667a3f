/* What clients may ask for, and the two things that answer later: watches and readers of output. A
 * handler may keep the decoded message by zeroing it; else the caller releases it. */
#ifndef CHIPQ_DAEMON_REQUESTS_H
#define CHIPQ_DAEMON_REQUESTS_H

#include "scheduler/daemon/daemon.h"

/* ---- requests (one file each; handlers take a decoded message they may keep by zeroing it) ----
 */

typedef void (*client_handler)(struct daemon *d, const struct asker *a, struct msg *m);
/* questions.c: runs the handler at the asker's expense. */
void questions_answer(struct daemon *d, const struct asker *a, client_handler handler,
                      struct msg *m);

void on_submit(struct daemon *d, const struct asker *a, struct msg *m);
void on_job_action(struct daemon *d, const struct asker *a, struct msg *m);
void on_jobs_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_job_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_why_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_nodes_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_tools_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_status_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_node_action(struct daemon *d, const struct asker *a, struct msg *m);
void on_usage_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_efficiency_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_audit_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_history_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_enterprise_add(struct daemon *d, const struct asker *a, struct msg *m);
void on_user_add(struct daemon *d, const struct asker *a, struct msg *m);
void on_user_revoke(struct daemon *d, const struct asker *a, struct msg *m);
void on_principals_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_config_apply(struct daemon *d, const struct asker *a, struct msg *m);
void on_config_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_shares_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_quotas_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_features_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_reservation_add(struct daemon *d, const struct asker *a, struct msg *m);
void on_reservation_remove(struct daemon *d, const struct asker *a, struct msg *m);
void on_reservations_query(struct daemon *d, const struct asker *a, struct msg *m);
void on_watch(struct daemon *d, const struct asker *a, struct msg *m);
void on_unwatch(struct daemon *d, const struct asker *a, struct msg *m);
void on_log_query(struct daemon *d, const struct asker *a, struct msg *m);

void on_backup(struct daemon *d, const struct asker *a, struct msg *m);
void backup_tell(struct daemon *d); /* its asker hears how far it is */

/* The enterprise that a request names ("" = one's own), if the asker may `verb` there; else
 * NOT_FOUND, in the same words as for a job that does not exist. */
int scope_find(struct daemon *d, const struct asker *a, const char *enterprise, uint64_t number,
               enum verb verb, struct enterprise_id *e, struct cq_err *err) CQ_MUST_CHECK;
/* The same of the first part of "acme/uart/ann". */
int enterprise_of_path(struct daemon *d, const struct asker *a, const char *path, enum verb verb,
                       struct enterprise_id *e, struct cq_err *err) CQ_MUST_CHECK;
int no_such_job(const char *enterprise, uint64_t number, struct cq_err *err);

/* ---- space.c ---- */

void space_note(struct daemon *d); /* logs when it changed */
const char *space_word(const struct daemon *d);
int space_check_submit(const struct daemon *d, struct cq_err *err) CQ_MUST_CHECK; /* CQ_E_FULL */
/* A batch waits for room, and with it every answer: so clients are told at once. */
bool space_is_none(const struct daemon *d);
void space_refuse(struct daemon *d, const struct asker *a);

/* ---- watch.c, logs.c ---- */

struct watches *watches_new(void);
void watches_free(struct watches *w);
void watches_note(struct daemon *d, const struct job_view *v, const char *metrics);
void watches_note_progress(struct daemon *d, struct job_id id);
void watches_flush(struct daemon *d);
void watches_drop_peer(struct daemon *d, const struct zpeer *peer);

struct logs *logs_new(void);
void logs_free(struct logs *l);
void logs_note(struct daemon *d,
               struct job_id id);         /* the job changed: waiting follows look again */
void logs_drop_revoked(struct daemon *d); /* a key was revoked: its followers hear so */
void logs_on_chunk(struct daemon *d, struct worker_session *s, const struct msg *m);
void logs_on_worker(struct daemon *d, struct worker_session *s); /* a new session: ask again */

#endif
