#!/usr/bin/env bats
# Rows of tasks: plain passes are ranges until asked for by name; what was skipped says so.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

@test "plain passes of an array keep no row, whether they were seen running or not" {
    local job
    job=$(chipq submit --array 1-6 -- sh -c 'test "$CHIPQ_TASK" != 3')
    run chipq wait "$job" --timeout 20s
    [ "$(field "$job" passed_tasks)" = "1-2,4-6" ]
    [ "$(chipq job "$job" --json | grep -c '"log_path"')" = 1 ]
    [ "$(field "$job" task_list.0.task)" = 3 ]
}

@test "a task that passed without a word is told when asked for by name" {
    local job
    job=$(chipq submit --array 1-4 -- true)
    chipq wait "$job" --timeout 20s
    run -0 chipq job "$job[3]" --json
    [ "$(json task_list.0.state <<<"$output")" = done ]
    [ "$(json task_list.0.attempt <<<"$output")" = 1 ]
    [ -f "$(json task_list.0.log_path <<<"$output")" ]
}

@test "aftercorr of an array that is over skips the counterparts of what did not pass, and no more" {
    local up down
    up=$(chipq submit --array 1-4 -- sh -c 'test "$CHIPQ_TASK" != 2')
    run chipq wait "$up" --timeout 20s
    down=$(chipq submit --array 1-4 --after "aftercorr:$up" -- true)
    run chipq wait "$down" --timeout 20s
    run -0 chipq job "$down" --json
    [ "$(json tasks_passed <<<"$output")" = 3 ]
    [ "$(json tasks_killed <<<"$output")" = 1 ]
    [ "$(json reason_code <<<"$output")" = SKIPPED_DEPENDENCY ]
}

@test "aftercorr of a single task is refused with the reason" {
    local up
    up=$(chipq submit -- true)
    chipq wait "$up" --timeout 20s
    run chipq submit --array 1-3 --after "aftercorr:$up" -- true
    [ "$status" -ne 0 ]
    [[ $output == *"aftercorr pairs the tasks of two arrays"* ]]
}

@test "a job skipped by its dependency says so, a cancelled one too" {
    local a b
    a=$(chipq submit -- false)
    b=$(chipq submit --after "$a" -- true)
    run chipq wait "$b" --timeout 20s
    [ "$(field "$b" reason_code)" = SKIPPED_DEPENDENCY ]
    a=$(chipq submit --hold -- true)
    chipq cancel "$a"
    [ "$(field "$a" reason_code)" = CANCELLED ]
}
