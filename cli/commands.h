/* One row a command; each is defined in cmd_NAME.c. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "cli/command.h"

extern const struct command cmd_admin, cmd_cancel, cmd_doctor, cmd_down, cmd_help, cmd_hold,
    cmd_instrument, cmd_job, cmd_jobs, cmd_licence, cmd_licences, cmd_logs, cmd_node, cmd_nodes,
    cmd_quota, cmd_release, cmd_requeue, cmd_reservation, cmd_run, cmd_share, cmd_simulate,
    cmd_status, cmd_submit, cmd_tools, cmd_up, cmd_usage, cmd_version, cmd_wait, cmd_why;

#endif
