#!/usr/bin/env bats
# An orderly stop costs no job its attempts: `chipq down` is told apart from a machine that died.
bats_require_minimum_version 1.5.0
load pool.bash

setup() {
    T=$(mktemp -d)
    mkfifo "$T/said"
    pool_up
}

teardown() {
    pool_down
    rm -rf "$T"
}

# bats test_tags=P4,P6
@test "a job is started again after each of four stops, and what never ran starts once" {
    local job behind n
    job=$(chipq submit --cores 2 -- sh -c 'echo "up $CHIPQ_ATTEMPT" >"$1"; exec sleep 1000' sh "$T/said")
    behind=$(chipq submit --cores 2 --restart never -- true)
    for n in 1 2 3 4; do
        [ "$(heard "$T/said")" = "up $n" ]
        chipq down
        pool_up
    done
    [ "$(heard "$T/said")" = "up 5" ]
    run -0 chipq job "$job" --json
    [ "$(json state <<<"$output")" = running ]
    chipq cancel "$job"
    chipq wait "$behind" --timeout 20s
}

# bats test_tags=P6
@test "restart=never ends as lost, with the cause" {
    local job
    job=$(chipq submit --restart never -- sh -c 'echo up >"$1"; exec sleep 1000' sh "$T/said")
    [ "$(heard "$T/said")" = up ]
    chipq down
    pool_up
    run chipq wait "$job" --timeout 20s
    [ "$status" -ne 0 ]
    run -0 chipq job "$job" --json
    [ "$(json state <<<"$output")" = lost ]
    [[ $output == *"the pool was stopped"* ]]
}

@test "with the scheduler gone first, the next start tells it" {
    local job n
    job=$(chipq submit -- sh -c 'echo "up $CHIPQ_ATTEMPT" >"$1"; exec sleep 1000' sh "$T/said")
    for n in 1 2 3 4; do
        [ "$(heard "$T/said")" = "up $n" ]
        kill -9 "$(pool_pid chipqd)"
        chipq down
        pool_up
    done
    [ "$(heard "$T/said")" = "up 5" ]
    chipq cancel "$job"
}
