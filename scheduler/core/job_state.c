/* State tables of jobs and tasks, and the names of states, verdicts and roles. */
#include "scheduler/core/job_state.h"

static const uint8_t next_job[JOB_STATE_COUNT][JOB_EVENT_COUNT] = {
    [JOB_NONE] = {[JOB_EV_SUBMIT] = JOB_PENDING},
    [JOB_PENDING] = {[JOB_EV_HOLD] = JOB_HELD,
                     [JOB_EV_START] = JOB_RUNNING,
                     [JOB_EV_PASS] = JOB_DONE,
                     [JOB_EV_FAIL] = JOB_FAILED,
                     [JOB_EV_KILL] = JOB_KILLED,
                     [JOB_EV_LOSE] = JOB_LOST,
                     [JOB_EV_EXPIRE] = JOB_EXPIRED},
    [JOB_HELD] = {[JOB_EV_RELEASE] = JOB_PENDING,
                  [JOB_EV_START] = JOB_RUNNING,
                  [JOB_EV_PASS] = JOB_DONE,
                  [JOB_EV_FAIL] = JOB_FAILED,
                  [JOB_EV_KILL] = JOB_KILLED,
                  [JOB_EV_LOSE] = JOB_LOST,
                  [JOB_EV_EXPIRE] = JOB_EXPIRED},
    [JOB_RUNNING] = {[JOB_EV_IDLE] = JOB_PENDING,
                     [JOB_EV_HOLD] = JOB_HELD,
                     [JOB_EV_PASS] = JOB_DONE,
                     [JOB_EV_FAIL] = JOB_FAILED,
                     [JOB_EV_KILL] = JOB_KILLED,
                     [JOB_EV_LOSE] = JOB_LOST},
};

#define LIVE_ENDS                                                                           \
    [TASK_EV_PASS] = TASK_DONE, [TASK_EV_FAIL] = TASK_FAILED, [TASK_EV_KILL] = TASK_KILLED, \
    [TASK_EV_LOSE] = TASK_LOST, [TASK_EV_AGAIN] = TASK_WAITING, [TASK_EV_ASK] = TASK_ASKING

static const uint8_t next_task[TASK_STATE_COUNT][TASK_EVENT_COUNT] = {
    [TASK_WAITING] = {[TASK_EV_ASSIGN] = TASK_ASSIGNED, [TASK_EV_KILL] = TASK_KILLED},
    [TASK_ASSIGNED] = {[TASK_EV_ACCEPT] = TASK_STARTING, [TASK_EV_START] = TASK_RUNNING, LIVE_ENDS},
    [TASK_STARTING] = {[TASK_EV_ACCEPT] = TASK_STARTING, [TASK_EV_START] = TASK_RUNNING, LIVE_ENDS},
    [TASK_RUNNING] = {[TASK_EV_ACCEPT] = TASK_RUNNING, LIVE_ENDS},
    [TASK_ASKING] = {[TASK_EV_AGAIN] = TASK_WAITING, [TASK_EV_KILL] = TASK_KILLED},
};

enum job_state job_state_next(enum job_state state, enum job_event event)
{
    return next_job[state][event];
}

enum task_state task_state_next(enum task_state state, enum task_event event)
{
    return next_task[state][event];
}

const char *job_state_name(enum job_state state)
{
    static const char *const names[] = {
#define X(name, text) text,
        JOB_STATES(X)
#undef X
    };
    return (unsigned)state < JOB_STATE_COUNT ? names[state] : "?";
}

bool job_state_is_terminal(enum job_state state)
{
    return state >= JOB_DONE && state < JOB_STATE_COUNT;
}

const char *task_state_name(enum task_state state)
{
    static const char *const names[] = {
#define X(name, text) text,
        TASK_STATES(X)
#undef X
    };
    return (unsigned)state < TASK_STATE_COUNT ? names[state] : "?";
}

bool task_state_is_live(enum task_state state)
{
    return state == TASK_ASSIGNED || state == TASK_STARTING || state == TASK_RUNNING;
}

bool task_state_is_terminal(enum task_state state)
{
    return state >= TASK_DONE && state < TASK_STATE_COUNT;
}

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {
#define X(name, text) text,
        VERDICTS(X)
#undef X
    };
    return (unsigned)verdict < VERDICT_COUNT ? names[verdict] : "?";
}

unsigned verdict_severity(enum verdict verdict)
{
    static const uint8_t severity[VERDICT_COUNT] = {
        [VERDICT_PASS] = 1, [VERDICT_KILLED] = 2,  [VERDICT_LOST] = 3, [VERDICT_FAIL] = 4,
        [VERDICT_OOM] = 5,  [VERDICT_TIMEOUT] = 6, [VERDICT_ERROR] = 7};
    return (unsigned)verdict < VERDICT_COUNT ? severity[verdict] : 0;
}

static const char *const role_names[] = {
#define X(name, text) text,
    ROLES(X)
#undef X
};

const char *role_name(enum role role)
{
    return (unsigned)role < ROLE_COUNT ? role_names[role] : "?";
}

bool role_from_name(const char *name, enum role *role)
{
    for (size_t i = 0; i < ROLE_COUNT; i++)
        if (strcmp(role_names[i], name) == 0) {
            *role = (enum role)i;
            return true;
        }
    return false;
}
