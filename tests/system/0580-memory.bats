#!/usr/bin/env bats
# Memory that learns, on a real pool: sizes from one's own history, more after an OOM, who asks for too much.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up --mem 4G
    for name in acme beta; do
        pool_as "$name/dan" designer >/dev/null
    done
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

as() { # as ENTERPRISE WORD...
    local key=$CHIPQ_DIR/$1-dan.key
    shift
    chipq --key "$key" "$@"
}

limits_memory() {
    chipq nodes --json | grep -q '"limits=.*memory'
}

eat() { # eat MIB: a command that takes so much
    echo "a = bytearray($1 << 20)"
}

@test "the first requests are the default, later ones come from the enterprise's own runs" {
    run -0 as acme submit --wait --name seed-0 --project uart -- python3 -c "$(eat 100)"
    run -0 as acme job 1 --json
    [ "$(json mem_mib <<<"$output")" = 1024 ]
    [[ $(json mem_why <<<"$output") == "the default: 0 runs of seed-# in acme/uart known, 5 are needed" ]]
    run -0 as acme submit --wait --name seed-1 --project uart --mem auto --array 1-6 -- python3 -c "$(eat 100)"
    run -0 as acme submit --wait --name seed-9 --project uart --mem auto -- python3 -c "$(eat 100)"
    run -0 as acme job 3 --json
    mib=$(json mem_mib <<<"$output")
    [ "$mib" -ge 120 ] && [ "$mib" -le 200 ]
    [[ $(json mem_why <<<"$output") == "p95 of 7 runs of seed-# in acme/uart: "*"M + 20 %" ]]
    run -0 as beta submit --wait --name seed-9 --project uart -- python3 -c "$(eat 100)"
    run -0 as beta job 1 --json
    [ "$(json mem_mib <<<"$output")" = 1024 ]
    [[ $(json mem_why <<<"$output") == *"0 runs of seed-# in beta/uart"* ]]
}

@test "what was learned outlives chipqd" {
    kill -9 "$(pool_pid chipqd)"
    run -0 chipq up
    run -0 as acme submit --wait --name seed-10 --project uart -- python3 -c "$(eat 50)"
    run -0 as acme job 4 --json
    [[ $(json mem_why <<<"$output") == "p95 of 8 runs of seed-#"* ]]
}

@test "one that runs out of memory runs again with twice as much, and the job tells why" {
    limits_memory || skip "no memory limit can be set here"
    number=$(as acme submit --wait --name hog --mem auto -- python3 -c "$(eat 1500)")
    run -0 as acme job "$number"
    [[ $output == *"sized by     the default"*"peak memory  1.5G of 2G"*"memory now   2G: attempt 1 ran out of 1G"* ]]
    [[ $output == *"earlier attempts"*ASKED*"SIZED BY"*"oom"*"; it runs again with 2G"*"the default"* ]]
    [[ $output != *"the request"* ]] # nothing was asked
    run -0 as acme job "$number" --json
    [ "$(json mem_mib <<<"$output")" = 1024 ]
    [ "$(json task_list.0.mem_mib <<<"$output")" = 2048 ]
    [ "$(json earlier.0.mem_mib <<<"$output")" = 1024 ]
    [ "$(json earlier.0.verdict <<<"$output")" = oom ]
}

@test "one that needs more than there is tells why it got no more" {
    limits_memory || skip "no memory limit can be set here"
    most_of_beta() { chipq --key "$CHIPQ_DIR/keys/admin.key" admin enterprise set beta --max-mem "$1"; }
    run -0 most_of_beta 1536M
    run -1 as beta submit --wait --name glutton -- python3 -c "$(eat 1800)"
    number=$(as beta jobs --json | json jobs.0.number)
    run -0 as beta job "$number" --json
    [[ $(json how <<<"$output") == "memory limit 1.5G reached"*"; its limits allow no more than 1.5G" ]]
    [ "$(json earlier.0.sized <<<"$output")" = "the default" ]
    [ "$(json task_list.0.sized <<<"$output")" = "attempt 1 ran out of 1G" ]
    run -0 most_of_beta none
}

@test "one that named its memory ends there" {
    limits_memory || skip "no memory limit can be set here"
    run -1 as acme submit --wait --name hog --mem 512M -- python3 -c "$(eat 700)"
    number=$(as acme jobs --json | json jobs.0.number)
    run -0 as acme job "$number" --json
    [ "$(json verdict <<<"$output")" = oom ]
    [ "$(json earlier <<<"$output")" = "[]" ]
    [ "$(json mem_why <<<"$output")" = "" ]
    [ "$(json task_list.0.sized <<<"$output")" = "the request" ]
    [[ $(json cause <<<"$output") == *"; it named its --mem, so it is not tried with more" ]]
}

@test "one that goes on after its child ran out of memory is told by its own end" {
    limits_memory || skip "no memory limit can be set here"
    run -0 as acme submit --wait --name tough --mem 200M -- sh -c "python3 -c '$(eat 400)'; exit 0"
    number=$(as acme jobs --json | json jobs.0.number)
    [[ $(as acme job "$number" --json | json how) == "exit 0; memory limit 200M reached"* ]]
}

@test "of an array only what ran out of memory grows" {
    limits_memory || skip "no memory limit can be set here"
    number=$(as acme submit --wait --name mixed --array 1-5 -- \
        python3 -c 'import os; a = bytearray((1300 if os.environ["CHIPQ_TASK"] == "2" else 20) << 20)')
    run -0 as acme job "$number[2]" --json
    [ "$(json task_list.0.attempt <<<"$output")" = 2 ]
    [ "$(json task_list.0.mem_why <<<"$output")" = "attempt 1 ran out of 1G" ]
    [ "$(as acme job "$number" --json | json tasks_passed)" = 5 ]
    [ "$(as acme job "$number" --json | json earlier | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" = 1 ]
}

@test "of an array whose tasks mostly have too little, not each fails first" {
    limits_memory || skip "no memory limit can be set here"
    number=$(as acme submit --wait --name hungry --array 1-12 -- python3 -c "$(eat 1100)")
    run -0 as acme job "$number" --json
    [ "$(json tasks_passed <<<"$output")" = 12 ]
    ooms=$(json earlier <<<"$output" | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')
    [ "$ooms" -ge 3 ] && [ "$ooms" -le 6 ]
    run -0 as acme job "$number[12]" --json
    [ "$(json task_list.0.attempt <<<"$output")" = 1 ]
    [ "$(json task_list.0.mem_mib <<<"$output")" = 2048 ]
    [ "$(json task_list.0.mem_why <<<"$output")" = "most tasks before it ran out of less" ]
}

@test "usage --efficiency lists who asks for too much, of one's own enterprise" {
    run -0 as acme submit --wait --name greedy --mem 2G --array 1-6 -- python3 -c "$(eat 60)"
    run -0 as acme usage --efficiency
    [[ $output == PROJECT*TOOL*RUNS*"CPU %"*"MEM %"*ADVICE*greedy*"instead of 2G (or --mem auto)"* ]]
    run -0 as acme usage --efficiency --by user --json
    [ "$(json efficiency.0.user <<<"$output")" = dan ]
    [[ $(json efficiency.0.advice <<<"$output") == *"ask "*" instead of "* ]]
    run -0 as acme usage --efficiency --by project --csv
    [[ ${lines[0]} == project,user,tool,runs,core_hours,* ]]
    run -0 as beta usage --efficiency --json
    [[ $output != *greedy* && $output == *"seed-#"* ]]
    before=$(as acme usage --efficiency --json)
    kill -9 "$(pool_pid chipqd)"
    run -0 chipq up
    [ "$(as acme usage --efficiency --json)" = "$before" ]
    run -2 as acme usage --efficiency --by month
    run -2 as acme usage --by tool
    run -3 chipq --key "$CHIPQ_DIR/keys/admin.key" usage --efficiency
}

@test "usage --efficiency counts no run that nobody measured, and rounds nothing to none" {
    mkfifo "$CHIPQ_DIR/said"
    number=$(as beta submit --name orphan --on-lost fail -- sh -c 'echo up >"$1"; exec sleep 600' sh "$CHIPQ_DIR/said")
    [ "$(heard "$CHIPQ_DIR/said")" = up ]
    kill -9 "$(busy_keepers | head -n 1)"
    run -1 as beta wait "$number" --timeout 10s
    run -0 as beta usage --efficiency
    [[ $output != *orphan* ]]
    run -0 as beta submit --wait --name idle --mem 1G -- sleep 0.3
    run -0 as beta usage --efficiency --format tool,cpu_percent,mem_percent
    grep -Eqx "idle +(<1|[1-9]) +<1" <<<"$output"
    run -0 as beta usage --efficiency --json
    [[ $output != *"null"* ]] # all of these were measured
}
