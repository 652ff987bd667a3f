#!/usr/bin/env bats
# What ends a job, ends all of it: process trees that hide, limits with a soft stop, output that floods.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

setup() {
    T=$(mktemp -d)
    mkfifo "$T/alive" "$T/said" "$T/go"
    exec 8<>"$T/alive"
}

teardown() {
    exec 8<&- 9<&-
    rm -rf "$T"
}

# A job of five processes that hide in every way: double fork, own session, deaf to TERM, HUP and INT, orphaned. Each
# holds $T/alive open for writing, so that the end of that file is the death of the last one.
cat_of_hiders='trap "" TERM HUP INT
hide() { (setsid sh -c "trap \"\" TERM HUP INT; while :; do sleep 1000; done" & ) }
exec 7>"$1"
hide; hide; (setsid setsid sleep 1000 &)
echo up >&7
'

# start_hiders REST-OF-SCRIPT [submit options]: sets job; returns when all of it runs.
start_hiders() {
    local rest=$1
    shift
    job=$(chipq submit "$@" -- sh -c "$cat_of_hiders$rest" sh "$T/alive" "$T/go")
    IFS= read -r -t 10 line <&8
    [ "$line" = up ]
    exec 9<"$T/alive" 8<&- # from now on the job's processes are its only writers
}

# until_asks JOB: returns when it waits for a decision (at most 10 s); the event is a line of the follower.
until_asks() {
    timeout 10 sh -c 'until chipq job "$1" --json | grep -q "WAIT_LOST_DECISION"; do :; done' sh "$1"
}

all_dead_within() {
    timeout "$1" cat <&9
}

# bats test_tags=P9
@test "cancel kills the whole tree within 5 s: sessions, double forks, deaf to signals" {
    start_hiders 'while :; do sleep 1000; done' --grace 500ms
    run -0 chipq cancel "$job"
    all_dead_within 5
    run -1 chipq wait "$job" --timeout 5s
    [ "$(field "$job" state)" = killed ]
}

# bats test_tags=P9
@test "a job that ends well leaves nothing behind, and its status counts" {
    start_hiders 'exit 0'
    all_dead_within 5
    run -0 chipq wait "$job" --timeout 5s
}

# bats test_tags=P9
@test "a job that is killed from outside leaves nothing behind" {
    start_hiders 'kill -KILL $$'
    all_dead_within 5
    run -1 chipq wait "$job" --timeout 5s
    [ "$(field "$job" signal)" = 9 ]
}

# bats test_tags=P9
@test "the keeper killed: its whole tree dies with it" {
    start_hiders 'while :; do sleep 1000; done' --on-lost fail
    keeper=$(pgrep -P "$(pool_pid execd)" -f chipq-shepherd | head -n 1)
    kill -9 "$keeper"
    all_dead_within 5
    run -1 chipq wait "$job" --timeout 10s
    [ "$(field "$job" verdict)" = lost ]
    [ "$(field "$job" peak_mem_kib)" = null ] # nobody was left to measure
    [ "$(field "$job" cpu_us)" = null ]
    [ "$(field "$job" switches)" = null ]
    [ "$(field "$job" earlier)" = "[]" ]
    run -0 chipq job "$job"
    [[ $output == *$'\nCPU time     -\npeak memory  - of 1G\nended by'* ]]
}

@test "lost, and a human is to decide: nowhere, of unknown size, with what to do" {
    start_hiders 'while :; do sleep 1000; done' --on-lost wait
    kill -9 "$(busy_keepers | head -n 1)"
    all_dead_within 5
    until_asks "$job"
    run -0 chipq job "$job"
    [[ $output != *$'\nwhere'* && $output != *"core "* ]]
    [[ $output == *$'\nadvice       chipq requeue '"$job runs it again, chipq cancel $job ends it"* ]]
    [[ $output == *"earlier attempts"*" -     1G  "* && $output != *" 0M "* ]]
    [ "$(field "$job" where)" = "" ]
    [ "$(field "$job" earlier.0.peak_mem_mib)" = null ]
    run -0 chipq cancel "$job"
}

@test "of an array, the advice names what asks: what runs goes on" {
    exec 8<&-
    exec 8<>"$T/said" # open all the time: two may speak at once
    job=$(chipq submit --array 1-2 --on-lost wait -- sh -c 'echo up >"$1"; exec sleep 1000' sh "$T/said")
    IFS= read -r -t 10 _ <&8
    IFS= read -r -t 10 _ <&8
    kill -9 "$(busy_keepers | head -n 1)"
    until_asks "$job"
    advice=$(chipq why "$job" | grep -o "chipq requeue '$job\[[12]\]'")
    run -0 eval "$advice"
    IFS= read -r -t 10 _ <&8
    run -0 chipq job "$job" --json
    attempts=$(python3 -c 'import json,sys; print(sorted(t["attempt"] for t in json.load(sys.stdin)["task_list"]))' <<<"$output")
    [ "$attempts" = "[1, 2]" ]
    run -0 chipq cancel "$job"
}

@test "wall limit: TERM first, the job writes its mark; then it is over with verdict timeout" {
    exec 8<&-
    job=$(chipq submit --time 300ms --grace 20s -- sh -c \
        'trap "echo mark >\"$1/mark\"; exit 0" TERM; sleep 1000 & wait' sh "$T")
    run -1 chipq wait "$job" --timeout 10s
    [ "$(cat "$T/mark")" = mark ]
    [ "$(field "$job" verdict)" = timeout ]
    [ "$(field "$job" limit)" = wall ]
    [ "$(field "$job" run_us)" -ge 300000 ]
}

@test "behind a wrapper that TERM ends, what it runs has its grace too" {
    exec 8<&-
    job=$(chipq submit --time 300ms --grace 20s -- sh -c \
        'sh -c "trap \"echo asked >\$1; read -r _ <\$2; echo mark >\$3; exit 0\" TERM; while :; do sleep 0.05; done" sh "$@"; :' \
        sh "$T/said" "$T/go" "$T/mark")
    [ "$(heard "$T/said")" = asked ]
    timeout 10 sh -c 'echo >"$1"' sh "$T/go"
    run -1 chipq wait "$job" --timeout 10s
    [ "$(cat "$T/mark")" = mark ]
    [ "$(field "$job" verdict)" = timeout ]
}

# bats test_tags=P9
@test "wall limit: a job deaf to TERM is killed after its grace, with all it started" {
    start_hiders 'while :; do sleep 1000; done' --time 300ms --grace 300ms
    all_dead_within 5
    run -1 chipq wait "$job" --timeout 5s
    [ "$(field "$job" verdict)" = timeout ]
    [ "$(field "$job" signal)" = 9 ]
    [ "$(field "$job" run_us)" -ge 600000 ]
}

@test "output that floods ends the job at its cap; the file stays within reason" {
    exec 8<&-
    job=$(chipq submit --output-max 1M -- yes "all work and no play")
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" limit)" = output ]
    [[ $(field "$job" cause) == *"more output than allowed"* ]]
    size=$(stat -c %s "$(field "$job" log_path)")
    ((size >= 1048576 && size < 1048576 + 4096))
    run -0 chipq submit --wait -- true
}

@test "output that floods is dropped on request: the job goes on to its end" {
    exec 8<&-
    job=$(chipq submit --output-max 1M --output-full drop -- sh -c \
        'echo first; head -c 2147483648 /dev/zero; echo last; echo end >"$1/mark"' sh "$T")
    run -0 chipq wait "$job" --timeout 60s
    [ "$(cat "$T/mark")" = end ]
    [ "$(field "$job" verdict)" = pass ]
    [[ $(field "$job" cause) == "output limit 1M reached; "*" of its middle were dropped" ]]
    log=$(field "$job" log_path)
    size=$(stat -c %s "$log")
    ((size >= 1048576 - 16384 && size < 1048576 + 4096)) # and no hole in it
    [ "$(head -n 1 "$log" | head -c 5)" = first ]
    [[ $(tail -n 1 "$log") == "chipq: output limit 1M reached; bytes 524288 to "*" were dropped" ]]
    grep -aq "last$" "$log" # the end is what people look for
}


@test "who follows output that is dropped sees its gaps told and its end whole, while it runs and after" {
    exec 8<&-
    job=$(chipq submit --output-max 1M --output-full drop -- sh -c \
        'seq 1 500000; echo half >"$1"; read -r _ <"$2"; seq 500001 2000000; echo the error is here' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = half ]
    # A look while it has a hole.
    timeout 20 sh -c 'until chipq logs "$1" >"$2/running" && grep -aq "reached; what follows" "$2/running"; do :; done' sh "$job" "$T"
    chipq logs -f "$job" >"$T/followed" &
    follower=$!
    tell "$T/go" ""
    run -0 chipq wait "$job" --timeout 60s
    wait "$follower"
    chipq logs "$job" >"$T/after"
    cmp "$T/after" "$(field "$job" log_path)"
    for seen in running followed after; do
        [ "$(tr -dc '\0' <"$T/$seen" | wc -c)" = 0 ]
        grep -aq "^chipq: output limit reached; " "$T/$seen"
        [ "$(head -n 1 "$T/$seen")" = 1 ]
    done
    for seen in followed after; do
        grep -axq 2000000 "$T/$seen"
        grep -axq "the error is here" "$T/$seen"
        [[ $(tail -n 1 "$T/$seen") == "chipq: output limit 1M reached; bytes "* ]]
    done
}

@test "output that floods from a process left behind is cut as well" {
    exec 8<&-
    job=$(chipq submit --output-max 1M -- sh -c 'setsid yes & wait')
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" limit)" = output ]
}

@test "no processes of jobs are left, no keepers, no lease files" {
    exec 8<&-
    run -0 chipq submit --wait -- true
    run -0 chipq jobs --live --jsonl
    [ -z "$output" ]
    keepers=$(pgrep -P "$(pool_pid execd)" -f chipq-shepherd || true)
    # shellcheck disable=SC2086
    wait_gone $keepers
}
