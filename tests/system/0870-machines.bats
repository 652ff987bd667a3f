#!/usr/bin/env bats
# More machines than one: each has a key of its own, and a key that was copied to a second one does no harm.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_dir
    chipqd --init
    export WORKERS=ipc://$CHIPQ_DIR/run/others.sock
    printf 'heartbeat = 200ms\nlease = 20s\ngrace = 500ms\nlisten-worker = %s\n' "$WORKERS" >"$CHIPQ_DIR/chipq.conf"
    pool_up
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

setup() {
    T=$(mktemp -d)
    export T
    admin="$CHIPQ_DIR/keys/admin.key"
    mkdir -m 0700 "$T/farm2"
}

teardown() {
    local pid
    pid=$(cat "$T/execd.pid" 2>/dev/null || true)
    [ -z "$pid" ] || { kill "$pid" 2>/dev/null && wait_gone "$pid"; } || true
    rm -rf "$T"
}

# second_machine KEY [chipq-worker options]: another worker on this machine, as if it were another one.
second_machine() {
    chipq-execd --dir "$T/farm2" --key "$@" 3>&- >"$T/log" 2>&1 &
    echo $! >"$T/execd.pid"
}

says() { # says TEXT: the second machine's log has it, at the latest in 15 s
    timeout 15 tail -n +1 -F "$T/log" 2>/dev/null | grep -m 1 -e "$1"
}

@test "another machine joins with a key of its own, and leaves when that is revoked" {
    run -0 chipq --key "$admin" admin worker add farm2 --endpoint "$WORKERS" --key-out "$T/farm2.key"
    second_machine "$T/farm2.key" -- --node farm2 --cores 1 --mem 512M
    says session.welcome
    run -0 chipq nodes --json
    [[ $output == *'"farm2"'* ]]
    job=$(chipq submit --array 1-8 -- true)
    run -0 chipq wait "$job" --timeout 20s
    run -0 chipq --key "$admin" admin worker list
    [[ ${lines[2]} == "farm2 "*no* ]]
    run -0 chipq --key "$admin" admin worker revoke farm2
    says session.refused
    run -0 chipq --key "$admin" admin worker list
    [[ ${lines[2]} == "farm2 "*yes* ]]
}

# bats test_tags=P7
@test "a copied key: the second machine waits, says why, and nothing runs twice" {
    mkfifo "$T/said" "$T/go"
    job=$(chipq submit -- sh -c 'echo "up $CHIPQ_ATTEMPT" >"$1"; read -r code <"$2"; exit "$code"' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = "up 1" ]
    cp "$CHIPQ_DIR/keys/worker.key" "$T/copied.key"
    second_machine "$T/copied.key" -- --node farm3 --cores 1 --mem 512M
    says "another agent with this key is at work as node .*chipq admin worker add"
    run -0 chipq nodes --json
    [[ $output != *'"farm3"'* ]]
    [[ $output == *'"state": "up"'* ]]
    tell "$T/go" 0
    run -0 chipq wait "$job" --timeout 20s
    [ "$(field "$job" attempt)" = 1 ]
    # the first goes: its place is the second's
    chipq down
    chipqd --dir "$CHIPQ_DIR" 3>&- >/dev/null 2>&1 &
    chipqd=$!
    says session.welcome
    kill "$chipqd"
    wait_gone "$chipqd"
}

@test "what a worker's key can not be made of is refused" {
    run -2 chipq --key "$admin" admin worker add 'farm 3' --key-out "$T/k"
    [[ $output == *"'farm 3' is no worker's name"* ]]
    run -2 chipq --key "$admin" admin worker add farm3
    [[ $output == *"--key-out FILE"* ]]
    run -2 chipq --key "$admin" admin worker add farm3 --key-out "$T/k" --endpoint tcp://0.0.0.0:7078
    [[ $output == *"name a host to connect to"* ]]
    run -2 chipq --key "$admin" admin worker add farm3 --key-out "$T/k" --endpoint farm:7078
    [[ $output == *"write tcp://HOST:PORT"* ]]
    run -2 chipq --key "$admin" admin worker add farm3 --key-out "$T/k" --role admin
    [[ $output == *"admin worker add takes no --role"* ]]
    [ ! -e "$T/k" ]
    chipq up >/dev/null 2>&1
    run ! chipq admin worker add farm3 --key-out "$T/k" --key "$CHIPQ_DIR/keys/user.key"
    [[ $output == *"change the platform's keys; use the platform admin's key"* ]]
    [ ! -e "$T/k" ]
}
