#!/usr/bin/env bats
# chipqd is killed under five hundred workers and started again: all come back at once, others are answered meanwhile.
bats_require_minimum_version 1.5.0
load pool.bash
load network.bash

setup() {
    STORM=${CHIPQ_BUILD:-$CHIPQ_BIN/..}/tests/storm-client
    [ -x "$STORM" ] || skip "storm-client is not built"
    pool_dir
    chipqd --init
    printf 'heartbeat = 1s\nlease = 20s\nlisten-worker = tcp://127.0.0.1:*\n' >"$CHIPQ_DIR/chipq.conf"
}

teardown() {
    [ -z "${storm-}" ] || { kill "$storm" && wait "$storm"; } || true
    machine_down farm1
    kill "$CHIPQD" && wait_gone "$CHIPQD"
    [ -n "${BATS_TEST_COMPLETED-}" ] || tail -n 20 "$CHIPQ_DIR/log/chipqd.log" >&2
    rm -rf "$CHIPQ_DIR"
}

n_up() {
    chipq nodes --jsonl | grep -c '"state": *"up"' || true
}

all_up() { # all_up N SECONDS
    local end=$((SECONDS + $2))
    until [ "$(n_up)" = "$1" ]; do [ "$SECONDS" -lt "$end" ] || return 1; done
}

# bats test_tags=P4,P14
@test "500 workers come back to a chipqd that was killed; no task is lost or run twice" {
    chipqd_up
    # the next chipqd listens where this one did
    sed -i "s|^listen-worker.*|listen-worker = tcp://127.0.0.1:$WORKER_PORT|" "$CHIPQ_DIR/chipq.conf"
    mkfifo "$CHIPQ_DIR/stay" "$CHIPQ_DIR/there"
    "$STORM" "$CHIPQ_DIR/keys/admin.key" "tcp://127.0.0.1:$WORKER_PORT" 500 \
        <"$CHIPQ_DIR/stay" >"$CHIPQ_DIR/there" 3>&- &
    storm=$!
    exec 9>"$CHIPQ_DIR/stay"
    [ "$(heard "$CHIPQ_DIR/there")" = there ]
    machine_up farm1 "tcp://127.0.0.1:$WORKER_PORT" 2
    all_up 501 30
    job=$(chipq submit --array 1-40 -- sh -c 'echo "$CHIPQ_TASK $CHIPQ_ATTEMPT" >>"$1"; exec 3<>"$2"; read -r -t 0.1 _ <&3; true' \
        sh "$CHIPQ_DIR/ran" "$CHIPQ_DIR/there")
    until [ -s "$CHIPQ_DIR/ran" ]; do :; done
    kill -9 "$CHIPQD"
    wait "$CHIPQD" || true
    begun=${EPOCHREALTIME/./}
    chipqd_up
    for _ in $(seq 20); do
        chipq submit --hold -- true >>"$CHIPQ_DIR/numbers"
    done
    echo "20 submits after $(((${EPOCHREALTIME/./} - begun) / 1000)) ms, $(n_up) workers back by then"
    all_up 501 30
    echo "all 501 back after $(((${EPOCHREALTIME/./} - begun) / 1000)) ms"
    [ "$(sort -u "$CHIPQ_DIR/numbers" | wc -l)" = 20 ]
    chipq wait "$job" --timeout 30s
    [ "$(sort "$CHIPQ_DIR/ran" | uniq -d | wc -l)" = 0 ]
    [ "$(awk '{print $1}' "$CHIPQ_DIR/ran" | sort -u | wc -l)" = 40 ]
    [ "$(wc -l <"$CHIPQ_DIR/ran")" = 40 ]
}
