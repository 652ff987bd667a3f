/* The states of jobs and tasks as tables: a missing pair is "not allowed". */
#ifndef CHIPQ_JOB_STATE_H
#define CHIPQ_JOB_STATE_H

#include "scheduler/core/view.h"

#define JOB_EVENTS(X) \
    X(SUBMIT) X(HOLD) X(RELEASE) X(START) X(IDLE) X(PASS) X(FAIL) X(KILL) X(LOSE) X(EXPIRE)
enum job_event {
    JOB_EV_NONE,
#define X(name) JOB_EV_##name,
    JOB_EVENTS(X)
#undef X
        JOB_EVENT_COUNT
};

/* The states of a task. ASKING: lost, and its job said that a person decides. */
#define TASK_STATES(X)      \
    X(NONE, "none")         \
    X(WAITING, "pending")   \
    X(ASSIGNED, "assigned") \
    X(STARTING, "starting") \
    X(RUNNING, "running")   \
    X(ASKING, "pending") X(DONE, "done") X(FAILED, "failed") X(KILLED, "killed") X(LOST, "lost")
enum task_state {
#define X(name, text) TASK_##name,
    TASK_STATES(X)
#undef X
        TASK_STATE_COUNT
};

#define TASK_EVENTS(X) X(ASSIGN) X(ACCEPT) X(START) X(PASS) X(FAIL) X(KILL) X(LOSE) X(AGAIN) X(ASK)
enum task_event {
    TASK_EV_NONE,
#define X(name) TASK_EV_##name,
    TASK_EVENTS(X)
#undef X
        TASK_EVENT_COUNT
};

/* The state that follows, or ..._NONE when the event is not allowed in this state. */
enum job_state job_state_next(enum job_state state, enum job_event event);
enum task_state task_state_next(enum task_state state, enum task_event event);

const char *task_state_name(enum task_state state);
bool task_state_is_live(enum task_state state);     /* holds a place in a lease */
bool task_state_is_terminal(enum task_state state); /* DONE FAILED KILLED LOST */

/* How bad a verdict is; a job shows the worst one of its ended tasks. */
unsigned verdict_severity(enum verdict verdict);

#endif
