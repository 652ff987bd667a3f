#!/usr/bin/env bats
# Too few descriptors: told at the start and when they run out; chipqd lives through it.
bats_require_minimum_version 1.5.0
load pool.bash

teardown() {
    [ -z "${HOLDER-}" ] || kill "$HOLDER" 2>/dev/null || true
    pool_down
}

until_log() { # until_log WORDS: chipqd's log says so (20 s)
    timeout 20 sh -c 'tail -n +1 -f "$1" | grep -q -m 1 -e "$2"' sh "$CHIPQ_DIR/log/chipqd.log" "$1"
}

# hold N: so many connections that say nothing, until a line comes on the fifo `go`.
hold() {
    python3 - "$PORT" "$1" "$CHIPQ_DIR/go" 3>&- <<'EOF' &
import socket, sys
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(int(sys.argv[2]))]
open(sys.argv[3]).readline()
EOF
    HOLDER=$!
}

# bats test_tags=P12
@test "descriptors run out: it is said, jobs go on, and connections are taken again" {
    pool_dir
    mkfifo "$CHIPQ_DIR/go" "$CHIPQ_DIR/end" "$CHIPQ_DIR/said"
    printf '%s\n' 'heartbeat = 200ms' 'listen-client = tcp://127.0.0.1:0' >"$CHIPQ_DIR/chipq.conf"
    (ulimit -n 128 && pool_up)
    until_log 'start.descriptors limit=128 .*advice="raise it: ulimit -Hn 65536'
    job=$(chipq submit -- sh -c 'echo up >"$1/said"; read -r _ <"$1/end"' sh "$CHIPQ_DIR")
    [ "$(heard "$CHIPQ_DIR/said")" = up ]
    pid=$(pool_pid chipqd)
    PORT=$(sed -n 's,.*endpoint=tcp://127.0.0.1:\([0-9]*\).*,\1,p' "$CHIPQ_DIR/log/chipqd.log")
    hold 150
    until_log 'net.crowded'
    timeout 20 sh -c "echo >'$CHIPQ_DIR/end'"
    timeout 20 sh -c "echo >'$CHIPQ_DIR/go'"
    wait "$HOLDER"
    until_log 'net.crowd_over'
    run -0 timeout 60 chipq wait "$job"
    [ "$(field "$job" attempt)" = 1 ]
    [ "$(pool_pid chipqd)" = "$pid" ]
}
