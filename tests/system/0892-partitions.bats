#!/usr/bin/env bats
# Real TCP between network namespaces, cut by nftables: for less than the lease, for more, one way, half-open, lossy.
# alone: what is shorter than a lease must stay shorter
bats_require_minimum_version 1.5.0
load pool.bash
load network.bash
load netns.bash

setup_file() {
    netns_up
    pool_dir
    chipqd --init
    cat >"$CHIPQ_DIR/chipq.conf" <<'CONF'
heartbeat = 200ms
lease = 2500ms
grace = 300ms
suspect = 500ms
listen-client = tcp://10.77.3.1:7077
listen-worker = tcp://0.0.0.0:7078
CONF
    chipqd_up nsenter --net="/run/netns/$NETNS-d"
    CLIENT=$(pool_as acme/ann designer --endpoint tcp://10.77.3.1:7077)
    chipq --key "$CHIPQ_DIR/keys/admin.key" admin user add acme/eve --role designer --key-out "$CHIPQ_DIR/eve.key"
    machine_up farm1 tcp://10.77.1.1:7078 1 nsenter --net="/run/netns/$NETNS-w1"
    machine_up farm2 tcp://10.77.2.1:7078 1 nsenter --net="/run/netns/$NETNS-w2"
    export CLIENT CHIPQD
}

teardown_file() {
    [ -n "${CHIPQD-}" ] || { netns_down; return 0; }
    for name in w1 w2 c; do heal "$name"; done
    machine_down farm1
    machine_down farm2
    kill "$CHIPQD" && wait_gone "$CHIPQD"
    netns_down
    rm -rf "$CHIPQ_DIR"
}

setup() {
    export CHIPQ_KEY=$CHIPQ_DIR/eve.key # by the Unix socket: no cut touches it
    T=$(mktemp -d)
    mkfifo "$T/said" "$T/go"
    for name in w1 w2 c; do heal "$name"; done
    node_is farm1 up
    node_is farm2 up
}

teardown() {
    [ -n "${BATS_TEST_COMPLETED-}" ] || tail -n 20 "$CHIPQ_DIR"/farm?/log "$CHIPQ_DIR/log/chipqd.log" >&2
    for name in w1 w2 c; do heal "$name"; done
    rm -rf "$T"
}

# A job on the machine that is cut off: it says "up ATTEMPT", waits for a word and exits with it.
start_job() {
    occupy_farm2
    job=$(chipq submit "$@" -- sh -c 'echo "up $CHIPQ_ATTEMPT" >"$1"; read -r code <"$2"; echo "by $CHIPQ_ATTEMPT"; exit "$code"' \
        sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = "up 1" ]
    leave_farm2
}

# farm2 has something to do while a job of ours is placed on farm1.
occupy_farm2() {
    chipq --key "$CHIPQ_DIR/keys/admin.key" node drain farm2 --reason test >/dev/null
}

leave_farm2() {
    chipq --key "$CHIPQ_DIR/keys/admin.key" node resume farm2 >/dev/null
}

ends_with() { # ends_with CODE ATTEMPT
    tell "$T/go" "$1"
    run chipq wait "$job" --timeout 20s
    [ "$status" = $(($1 != 0)) ]
    [ "$(field "$job" exit_code)" = "$1" ]
    [ "$(field "$job" attempt)" = "$2" ]
    [ "$(chipq logs "$job")" = "by $2" ]
}

for_a_while() { # until chipqd holds the machine for suspect: far from the lease's end
    node_is farm1 suspect
    run -0 chipq why "$job"
    [[ $output == *"is running"* ]]
    heal w1
    node_is farm1 up
}

# bats test_tags=P8
@test "cut off for less than the lease, both ways: the job goes on" {
    start_job
    cut w1 both
    for_a_while
    ends_with 7 1
}

@test "nothing comes to the worker for less than the lease: the job goes on" {
    start_job
    cut w1 in
    for_a_while
    ends_with 7 1
}

@test "nothing goes out from the worker for less than the lease: the job goes on" {
    start_job
    cut w1 out
    for_a_while
    ends_with 7 1
}

@test "half-open: both ends believe in a connection that is dead; the worker makes a new one, the job goes on" {
    start_job
    port=$(in_ns w1 ss -Htn state established dport = :7078 | sed -n '1s/.*10\.77\.1\.2:\([0-9]*\) .*/\1/p')
    cut_port w1 "$port"
    silent=$(said "$CHIPQ_DIR/farm1/log" session.silent)
    says "$CHIPQ_DIR/farm1/log" session.silent "$silent"
    node_is farm1 up
    ends_with 7 1
}

# What the processes of the job say about themselves, one line for each of them (tests/fault/cqjob.c).
runs_apart() { # the last sign of life of attempt 1 is before the first of attempt 2
    python3 - "$1" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
first = [r["boot_us"] for r in rows if r["attempt"] == 1]
second = [r["boot_us"] for r in rows if r["attempt"] == 2]
assert len(first) > 2 and second, rows
assert max(first) < min(second), (max(first), min(second))
PY
}

overstay() { # overstay both|in|out: cut off past the lease with a job that does not want to end
    occupy_farm2
    job=$(chipq submit -- sh -c '[ "$CHIPQ_ATTEMPT" = 1 ] || exec "$1" "$2" m 100
        exec "$1" "$2" m 60000 --linger 60000 --ignore-term' sh "$CHIPQ_BUILD/tests/cqjob" "$T")
    says "$T/$job.0.jsonl" '"beat"' 2
    leave_farm2
    cut w1 "$1"
    run -0 chipq wait "$job" --timeout 20s
    [ "$(field "$job" attempt)" = 2 ]
    [ "$(field "$job" earlier.0.state)" = lost ]
    runs_apart "$T/$job.0.jsonl"
    node_is farm1 down
    heal w1
    node_is farm1 up
    [ "$(field "$job" attempt)" = 2 ]
    runs_apart "$T/$job.0.jsonl"
}

# bats test_tags=P7,P9
@test "cut off past the lease, both ways: all of the first attempt is dead before the second starts elsewhere" {
    overstay both
}

@test "nothing comes to the worker past the lease: the same" {
    [ -z "${CHIPQ_QUICK-}" ] || skip "left out by --quick"
    overstay in
}

@test "nothing goes out from the worker past the lease: the same" {
    [ -z "${CHIPQ_QUICK-}" ] || skip "left out by --quick"
    overstay out
}

# bats test_tags=P5
@test "an end that comes after the lease is stale: the second attempt's is the job's, and so are the outputs" {
    raw=$CHIPQ_BUILD/tests/raw-client
    [ -x "$raw" ] || skip "raw-client is not built"
    occupy_farm2
    run -0 "$raw" "$CHIPQ_KEY" - submit late late "/bin/mkdir -p out; echo \"by \$CHIPQ_ATTEMPT\" >out/mark
        echo \"up \$CHIPQ_ATTEMPT\" >$T/said; read code <$T/go; exit \$code"
    job=${output% new}
    [ "$(heard "$T/said")" = "up 1" ]
    leave_farm2
    stale=$(said "$CHIPQ_DIR/log/chipqd.log" attempt.stale)
    cut w1 both
    tell "$T/go" 9 # it ends while nobody hears of it
    [ "$(heard "$T/said")" = "up 2" ]
    heal w1
    says "$CHIPQ_DIR/log/chipqd.log" "attempt.stale node=farm1 n=1 .* attempt=1" "$stale"
    says "$CHIPQ_DIR/farm1/log" attempt.stale
    [ "$(field "$job" state)" = running ]
    tell "$T/go" 0
    run -0 chipq wait "$job" --timeout 20s
    [ "$(field "$job" exit_code)" = 0 ]
    [ "$(field "$job" attempt)" = 2 ]
    [ "$(field "$job" earlier.0.state)" = lost ]
    [ "$(find "$CHIPQ_DIR/farm2/results/" -follow -name mark -exec cat {} +)" = "by 2" ]
    [ -z "$(find "$CHIPQ_DIR/farm1/results/" -follow -name mark)" ]
}

# bats test_tags=P6
@test "restart=never: cut off past the lease it ends lost, started once" {
    occupy_farm2
    job=$(chipq submit --restart never -- sh -c 'echo start >>"$1/starts"; echo up >"$1/said"; read -r _ <"$1/go"' sh "$T")
    [ "$(heard "$T/said")" = up ]
    leave_farm2
    cut w1 both
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" state)" = lost ]
    heal w1
    node_is farm1 up
    [ "$(field "$job" state)" = lost ]
    [ "$(wc -l <"$T/starts")" = 1 ]
}

submit_in_spite_of_loss() { # who gets no connection has submitted nothing, and tries again
    local try
    for try in 1 2 3 4 5; do
        run --separate-stderr in_ns c chipq submit "$@"
        [ "$status" != 0 ] || break
        [[ $stderr == *"no scheduler answers there"* || $stderr == *"the scheduler does not answer"* ]] || break
    done
    [ "$status" = 0 ] || { echo "try $try: $stderr" >&2; return 1; }
    echo "$output"
}

# bats test_tags=P2,P4
@test "packets lost on every line, 28 of 100 there and back: each submit is answered once, each task ends once" {
    export CHIPQ_KEY=$CLIENT CHIPQ_HELPER=off
    for name in w1 w2 c; do lossy "$name" 15; done
    for i in 1 2 3; do
        submit_in_spite_of_loss --array 1-4 --name "loss$i" -- "$CHIPQ_BUILD/tests/cqjob" "$T" m 50 >>"$T/numbers"
    done
    in_ns c chipq wait $(cat "$T/numbers") --timeout 60s
    for name in w1 w2 c; do heal "$name"; done
    [ "$(sort -u "$T/numbers" | wc -l)" = 3 ]
    [ "$(in_ns c chipq jobs --jsonl | grep -c '"loss')" = 3 ]
    for job in $(cat "$T/numbers"); do # as often as it was asked for
        run -0 in_ns c chipq job "$job" --json
        [ "$(json state <<<"$output")" = done ]
        [ "$(ls "$T/$job".*.jsonl | wc -l)" = 4 ]
    done
}
