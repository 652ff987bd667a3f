#!/usr/bin/env bats
# Daemons die, jobs live: kill -9 of each while a job runs, and what "lost" means where the job is gone too.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_dir
    chipqd --init
    printf 'heartbeat = 200ms\nlease = 20s\ngrace = 500ms\n' >"$CHIPQ_DIR/chipq.conf"
    pool_up
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

setup() {
    T=$(mktemp -d)
    mkfifo "$T/said" "$T/go"
    chipq up >/dev/null 2>&1
}

teardown() {
    rm -rf "$T"
}

kill_9() {
    local pid
    pid=$(pool_pid "$1")
    kill -9 "$pid"
    wait_gone "$pid"
}

# Submits a job that says "up ATTEMPT", waits for a word and exits with it; returns when it runs.
start_job() {
    job=$(chipq submit "$@" -- sh -c 'echo before; echo "up $CHIPQ_ATTEMPT" >"$1"; read -r code <"$2"; echo after; exit "$code"' \
        sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = "up 1" ]
}

ends_with() { # ends_with CODE: the job ends so, at its first attempt, output whole
    tell "$T/go" "$1"
    run chipq wait "$job" --timeout 20s
    [ "$status" = $(($1 != 0)) ]
    run -0 chipq job "$job" --json
    [ "$(json exit_code <<<"$output")" = "$1" ]
    [ "$(json attempt <<<"$output")" = 1 ]
    [ "$(chipq logs "$job")" = $'before\nafter' ]
}

keepers() {
    pgrep -P "$(pool_pid execd)" -f chipq-shepherd || true
}

# bats test_tags=P8
@test "the agent killed: the job goes on, its true status arrives" {
    start_job
    kill_9 worker
    ends_with 7
}

# bats test_tags=P8
@test "the agent killed while the job ends: its status is kept" {
    start_job
    pid=$(pool_pid worker)
    kill -STOP "$pid"
    tell "$T/go" 9
    all_gone=$(keepers)
    kill -9 "$pid"
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" exit_code)" = 9 ]
    [ "$(field "$job" attempt)" = 1 ]
    [ -n "$all_gone" ]
}

# bats test_tags=P8
@test "chipqd killed, up again: the job goes on, its true status arrives" {
    start_job
    kill_9 chipqd
    chipq up
    [ "$(field "$job" state)" = running ]
    ends_with 6
}

# bats test_tags=P8,P5
@test "chipqd killed, the job ends meanwhile, up again: its status is there" {
    start_job
    kill_9 chipqd
    log=$(echo "$CHIPQ_DIR"/output/local/"$job"/0.1.log)
    tail -f -n +1 "$log" >"$T/said" &
    tail=$!
    exec 8<"$T/said"
    tell "$T/go" 5
    while IFS= read -r -t 10 line <&8; do [ "$line" != after ] || break; done
    kill "$tail"
    exec 8<&-
    chipq up
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" exit_code)" = 5 ]
    [ "$(field "$job" attempt)" = 1 ]
}

# bats test_tags=P8
@test "chipqd and the agent killed at once: the job goes on" {
    start_job
    kill_9 chipqd
    kill_9 worker
    chipq up
    ends_with 3
}

# bats test_tags=P13
@test "chipq logs -f and chipq wait live through a restart of chipqd" {
    start_job
    chipq wait "$job" &
    waiter=$!
    chipq logs -f "$job" >"$T/said" &
    follower=$!
    exec 8<"$T/said"
    IFS= read -r -t 10 line <&8
    [ "$line" = before ]
    until (("0x$(awk '/SigCgt/ {print $2}' "/proc/$waiter/status")" & 2)); do :; done # it has a session
    kill_9 chipqd
    chipq up
    tell "$T/go" 4
    rc=0
    wait "$waiter" || rc=$?
    [ "$rc" = 1 ]
    IFS= read -r -t 10 line <&8
    [ "$line" = after ]
    wait "$follower"
    exec 8<&-
}

# bats test_tags=P13
@test "chipq logs -f waits for a machine that is away, and says so" {
    job=$(chipq submit -- echo done)
    chipq wait "$job"
    worker=$(pool_pid worker)
    kill_9 execd
    wait_gone "$worker"
    kill_9 chipqd
    chipqd --dir "$CHIPQ_DIR" --ready-fd 7 7>"$T/said" 2>>"$CHIPQ_DIR/log/chipqd.log" 3>&- 8>&- &
    heard "$T/said"
    run -3 chipq logs "$job"
    [[ $output == *"the output is on machine '"*"', which is away; try again when it is back"* ]]
    mkfifo "$T/told"
    exec 8<>"$T/told"
    chipq logs -f "$job" >"$T/output" 2>"$T/told" 8>&- &
    follower=$!
    IFS= read -r -t 10 line <&8
    [[ $line == *"the output is on machine '"*"', which is away; waiting for it" ]]
    chipq up
    wait "$follower"
    exec 8<&-
    [ "$(<"$T/output")" = done ]
}

# bats test_tags=P7,P8
@test "execd killed: up again; the job either lived or ran again, never both at once" {
    start_job --max-attempts 5
    exec 8<>"$T/said"
    execd=$(pool_pid execd)
    agent=$(pool_pid worker)
    kill -9 "$execd"
    wait_gone "$execd" "$agent"
    chipq up
    tell "$T/go" 0 # read by whichever attempt lives
    run -0 chipq wait "$job" --timeout 30s
    exec 8<&-
}

# bats test_tags=P6
@test "restart=never: its keeper killed, it ends lost and was started once" {
    job=$(chipq submit --restart never -- sh -c 'echo start >>"$1/starts"; echo up >"$1/said"; read -r _ <"$1/go"' sh "$T")
    [ "$(heard "$T/said")" = up ]
    kill -9 $(keepers)
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" state)" = lost ]
    [ "$(wc -l <"$T/starts")" = 1 ]
    run -7 chipq requeue "$job"
    [ "$(wc -l <"$T/starts")" = 1 ]
}

# bats test_tags=P4,P14
@test "on-lost requeue: its keeper killed, it runs again, the loss is told" {
    start_job --on-lost requeue
    kill -9 $(keepers)
    [ "$(heard "$T/said")" = "up 2" ]
    tell "$T/go" 0
    run -0 chipq wait "$job" --timeout 20s
    [ "$(field "$job" attempt)" = 2 ]
    [ "$(field "$job" earlier.0.state)" = lost ]
}

@test "on-lost fail: its keeper killed, it ends lost" {
    start_job --on-lost fail
    kill -9 $(keepers)
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" verdict)" = lost ]
    [[ $(field "$job" cause) == *"ended by signal 9"* ]]
}

@test "on-lost wait: its keeper killed, it waits for a person, who says requeue" {
    start_job --on-lost wait
    kill -9 $(keepers)
    run -6 chipq wait "$job" --timeout 1s
    run -0 chipq why "$job"
    [[ $output == *lost* ]]
    run -0 chipq requeue "$job"
    [ "$(heard "$T/said")" = "up 2" ]
    tell "$T/go" 0
    run -0 chipq wait "$job" --timeout 20s
}

@test "max-attempts: a job whose keeper dies each time ends lost after that many" {
    job=$(chipq submit --max-attempts 2 -- sh -c 'echo "up $CHIPQ_ATTEMPT" >"$1"; read -r _ <"$2"' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = "up 1" ]
    kill -9 $(keepers)
    [ "$(heard "$T/said")" = "up 2" ]
    kill -9 $(keepers)
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" state)" = lost ]
    [ "$(field "$job" attempt)" = 2 ]
}

@test "down while a job runs: stopped and queued; up: it runs again" {
    start_job --grace 200ms
    run -0 chipq down
    chipq up >/dev/null &
    up=$!
    [ "$(heard "$T/said")" = "up 2" ]
    wait "$up"
    tell "$T/go" 0
    run -0 chipq wait "$job" --timeout 20s
}

# bats test_tags=P7,P14
@test "a lease shorter than the outage: the job is stopped by its keeper, then runs again" {
    chipq down
    sed -i 's/^lease.*/lease = 2s/' "$CHIPQ_DIR/chipq.conf"
    chipq up
    start_job
    agent=$(pool_pid worker)
    keeper=$(keepers)
    kill -STOP "$agent"
    wait_gone "$keeper" # nobody renewed its lease
    kill -CONT "$agent"
    [ "$(heard "$T/said")" = "up 2" ]
    tell "$T/go" 0
    run -0 chipq wait "$job" --timeout 20s
}

# bats test_tags=P7
@test "an agent that was away for longer than anybody waits begins anew" {
    chipq down
    sed -i 's/^lease.*/lease = 2s/' "$CHIPQ_DIR/chipq.conf"
    echo 'suspect = 500ms' >>"$CHIPQ_DIR/chipq.conf"
    chipq up
    start_job
    agent=$(pool_pid worker)
    kill -STOP "$agent"
    timeout 20 sh -c 'until chipq nodes --json | grep -q "\"state\": \"down\""; do :; done'
    kill -CONT "$agent"
    [ "$(heard "$T/said")" = "up 2" ]
    tell "$T/go" 0
    run -0 chipq wait "$job" --timeout 20s
    sed -i '/^suspect/d' "$CHIPQ_DIR/chipq.conf"
}

# The last one: execd starts an agent that dies often later and later.
# bats test_tags=P4,P7
@test "the agent killed at the moment of a grant: each job runs, at once or again, none ends as an error" {
    for _ in 1 2 3; do
        job=$(chipq submit --array 1-4 -- sh -c 'exit 4')
        kill -9 "$(pool_pid worker)" || true
        run -1 chipq wait "$job" --timeout 20s
        run -0 chipq job "$job" --json
        [ "$(json tasks_failed <<<"$output")" = 4 ]
        [ "$(json task_list.0.exit_code <<<"$output")" = 4 ]
    done
}
