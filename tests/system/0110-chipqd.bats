#!/usr/bin/env bats
# chipqd alone: what it refuses to start with, and how it stops.
bats_require_minimum_version 1.5.0
load pool.bash

setup() {
    pool_dir
}

teardown() {
    [ -z "${DAEMON-}" ] || kill -9 "$DAEMON" 2>/dev/null || true
    BATS_TEST_COMPLETED=1 pool_down
}

# Starts chipqd and returns when it serves; sets DAEMON.
start_chipqd() {
    local word
    mkfifo "$CHIPQ_DIR/ready"
    chipqd --ready-fd 7 "$@" 7>"$CHIPQ_DIR/ready" 2>"$CHIPQ_DIR/log/chipqd.log" 3>&- &
    DAEMON=$!
    read -r word <"$CHIPQ_DIR/ready"
    rm -f "$CHIPQ_DIR/ready"
    [ "$word" = ready ]
}

@test "no database: refused, says what makes one" {
    run -3 chipqd
    [[ $output == *"no database in $CHIPQ_DIR; make one with chipqd --init or chipq up"* ]]
    [ ! -e "$CHIPQ_DIR/db" ]
}

@test "--init makes an instance once" {
    run -0 chipqd --init
    [ -z "$output" ]
    [ "$(stat -c %a "$CHIPQ_DIR")" = 700 ]
    for key in server user admin worker; do
        [ "$(stat -c %a "$CHIPQ_DIR/keys/$key.key")" = 600 ]
    done
    run grep -c secret "$CHIPQ_DIR/keys/server.pub"
    [ "$output" = 0 ]
    run -7 chipqd --init
    [[ $output == *"has a database already"* ]]
}

# bats test_tags=P1
@test "a database that went missing is not made anew" {
    chipqd --init
    start_chipqd
    kill -TERM "$DAEMON"
    wait "$DAEMON"
    DAEMON=
    rm "$CHIPQ_DIR"/db/chipq.db*
    run -7 chipqd --init
    [[ $output == *"served before, but its database db/chipq.db is missing"* ]]
    run -3 chipqd
}

@test "already running: refused with the pid; SIGTERM ends it with 0" {
    chipqd --init
    start_chipqd
    run -7 chipqd
    [[ $output == *"$DAEMON"* ]]
    run -7 chipqd --dump
    [[ $output == *"chipqd runs there"* ]]
    kill -TERM "$DAEMON"
    wait "$DAEMON"
    DAEMON=
    start_chipqd
    kill -INT "$DAEMON"
    wait "$DAEMON"
    DAEMON=
}

# bats test_tags=P1,P14
@test "a killed chipqd starts again, one epoch later" {
    chipqd --init
    start_chipqd
    kill -9 "$DAEMON"
    wait "$DAEMON" || true
    start_chipqd
    kill -TERM "$DAEMON"
    wait "$DAEMON"
    DAEMON=
    run -0 chipqd --dump
    [ "$(grep -c EPOCH_START <<<"$output")" -ge 2 ]
    python3 -c 'import json,sys
for line in sys.stdin: json.loads(line)' <<<"$output"
}

@test "a damaged database is refused" {
    chipqd --init
    printf 'junkjunkjunk' | dd of="$CHIPQ_DIR/db/chipq.db" bs=1 seek=20 conv=notrunc status=none
    run -70 chipqd
    [[ $output == *"damaged"* ]]
}

@test "options out of range or misspelt are refused, in the file too" {
    chipqd --init
    run -2 chipqd --lease 10ms
    [[ $output == *"out of range"* ]]
    run -2 chipqd --lease 4x
    printf '# a comment\nheartbaet = 1s\n' >"$CHIPQ_DIR/chipq.conf"
    run -2 chipqd
    [[ $output == *"chipq.conf:2"*"did you mean 'heartbeat'"* ]]
}

@test "a server key that others may read is refused" {
    chipqd --init
    chmod 644 "$CHIPQ_DIR/keys/server.key"
    run -3 chipqd
    [[ $output == *"server.key"* ]]
}

@test "a path too long for sockets is refused before anything is made" {
    long=$CHIPQ_DIR/$(printf 'd%.0s' {1..90})
    run -2 chipqd --dir "$long" --init
    [[ $output == *"too long"* ]]
    [ ! -e "$long" ]
}

@test "an idle chipqd uses no processor time" {
    chipqd --init
    start_chipqd
    before=$(cut -d' ' -f14,15 "/proc/$DAEMON/stat")
    timeout 3 tail --pid="$DAEMON" -f /dev/null || true # three seconds of nothing
    after=$(cut -d' ' -f14,15 "/proc/$DAEMON/stat")
    [ "$before" = "$after" ]
}

@test "connections of a thousand workers wait while chipqd is busy" {
    chipqd --init
    start_chipqd
    kill -STOP "$DAEMON"
    run python3 -c 'import socket, sys
held = []
for _ in range(1000):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    s.connect(sys.argv[1]) # BlockingIOError when no more may wait
    held.append(s)' "$CHIPQ_DIR/run/worker.sock"
    kill -CONT "$DAEMON"
    [ "$status" = 0 ]
}
