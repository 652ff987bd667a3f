#!/usr/bin/env bats
# What bad networks do to a connection: answers lost after the commit, damaged bytes, resets, delay, little bandwidth,
# silence without an end. tests/fault/cqproxy stands between chipqd and one client and one worker, over TCP.
# alone: what is shorter than a lease must stay shorter
bats_require_minimum_version 1.5.0
load pool.bash
load network.bash

setup_file() {
    pool_dir
    chipqd --init
    cat >"$CHIPQ_DIR/chipq.conf" <<'CONF'
heartbeat = 200ms
lease = 6s
grace = 500ms
listen-client = tcp://127.0.0.1:*
listen-worker = tcp://127.0.0.1:*
CONF
    chipqd_up
    proxy_up client "$CLIENT_PORT"
    ANN=$(pool_as acme/ann designer --endpoint "tcp://127.0.0.1:$PORT")
    proxy_up worker "$WORKER_PORT"
    machine_up farm1 "tcp://127.0.0.1:$PORT" 2
    LOG=$CHIPQ_DIR/farm1/log
    export ANN CHIPQD LOG
    export CHIPQ_KEY=$ANN CHIPQ_HELPER=off
}

teardown_file() {
    machine_down farm1
    proxy_down client
    proxy_down worker
    kill "$CHIPQD" && wait_gone "$CHIPQD"
    rm -rf "$CHIPQ_DIR"
}

setup() {
    export CHIPQ_KEY=$ANN CHIPQ_HELPER=off
    T=$(mktemp -d)
    mkfifo "$T/said" "$T/go"
    proxy client clear
    proxy worker clear
}

stop_breaking() {
    [ -z "${breaker-}" ] || { kill "$breaker" && wait "$breaker"; } || true
    breaker=
}

teardown() {
    stop_breaking
    [ -n "${BATS_TEST_COMPLETED-}" ] || tail -n 20 "$LOG" "$CHIPQ_DIR/log/chipqd.log" >&2
    rm -rf "$T"
}

start_job() { # it says "up ATTEMPT", waits for a word and exits with it
    job=$(chipq submit "$@" -- sh -c 'echo "up $CHIPQ_ATTEMPT" >"$1"; read -r code <"$2"; exit "$code"' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = "up 1" ]
}

ends_with() {
    tell "$T/go" "$1"
    run chipq wait "$job" --timeout 20s
    [ "$status" = $(($1 != 0)) ]
    [ "$(field "$job" exit_code)" = "$1" ]
    [ "$(field "$job" attempt)" = 1 ]
}

n_jobs() {
    chipq jobs --jsonl | wc -l
}


# bats test_tags=P1,P2
@test "an answer that is lost after the commit: asked again, the same job, one job" {
    before=$(n_jobs)
    cuts=$(count client cuts)
    proxy client cut 2 # WELCOME passes, ACCEPTED does not
    job=$(chipq submit --hold -- true)
    [ "$(count client cuts)" = $((cuts + 1)) ]
    [ "$(n_jobs)" = $((before + 1)) ]
    [ "$(field "$job" state)" = held ]
    chipq cancel "$job"
}

# bats test_tags=P2
@test "resets between a client and chipqd: each submit is answered, each job is there once" {
    before=$(n_jobs)
    (while :; do proxy client reset >/dev/null || exit; done) &
    breaker=$!
    for i in $(seq 20); do
        chipq submit --hold --name "r$i" -- true >>"$T/numbers"
    done
    stop_breaking
    [ "$(sort -u "$T/numbers" | wc -l)" = 20 ]
    [ "$(n_jobs)" = $((before + 20)) ]
    xargs chipq cancel <"$T/numbers"
}

@test "a damaged byte ends a worker's connection, nothing of it is taken; it comes back and the job goes on" {
    start_job
    for direction in up down; do
        for byte in -1 40; do # of the frame's length, of what is encrypted
            made=$(count worker made)
            proxy worker flip "$direction" "$byte"
            proxy worker await $((made + 1))
        done
    done
    [ "$(count worker flips)" -ge 4 ]
    node_is farm1 up
    ends_with 7
    [ "$(said "$LOG" 'session.message error')" = 0 ]
    [ "$(said "$CHIPQ_DIR/log/chipqd.log" 'frame')" = 0 ]
}

# bats test_tags=P13
@test "a damaged byte in what a waiting client hears: it asks again and has the true end" {
    start_job
    down=$(count client messages-down)
    chipq wait "$job" --timeout 30s 3>&- &
    waiter=$!
    until [ "$(count client messages-down)" -ge $((down + 2)) ]; do :; done # WELCOME, and the job as it is
    made=$(count client made)
    proxy client flip down 40
    tell "$T/go" 6
    proxy client await $((made + 1))
    rc=0
    wait "$waiter" || rc=$?
    [ "$rc" = 1 ]
    [ "$(field "$job" exit_code)" = 6 ]
}

# bats test_tags=P4,P5
@test "resets between a worker and chipqd: each task runs once and its end arrives" {
    job=$(chipq submit --array 1-30 -- sh -c 'exit 3')
    for _ in 1 2 3; do
        made=$(count worker made)
        proxy worker reset
        proxy worker await $((made + 1))
    done
    run -1 chipq wait "$job" --timeout 30s
    run -0 chipq job "$job" --json
    [ "$(json tasks_failed <<<"$output")" = 30 ]
    [ "$(python3 -c 'import json,sys; print({t["attempt"] for t in json.load(sys.stdin)["task_list"]})' <<<"$output")" = "{1}" ]
}

@test "a slow, narrow line: 200 ms there and back, 20 kB/s" {
    proxy client delay 100
    proxy worker delay 100
    proxy client rate 20000
    proxy worker rate 20000
    welcomes=$(said "$CHIPQ_DIR/log/chipqd.log" worker.hello)
    proxy worker reset # it shakes hands anew over that line
    says "$CHIPQ_DIR/log/chipqd.log" worker.hello "$welcomes"
    start_job
    ends_with 5
}

@test "a line that stands still for less than the lease: the job goes on" {
    start_job
    made=$(count worker made)
    proxy worker stall
    proxy worker await $((made + 1)) # the silence is noticed, a new connection is tried
    proxy worker clear
    node_is farm1 up
    ends_with 4
}
