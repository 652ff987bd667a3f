#!/usr/bin/env bats
# Five enterprises share one pool: each sees its own work and nothing of the others'.
bats_require_minimum_version 1.5.0
load pool.bash

NAMES=(alpha bravo carol delta echo)

setup_file() {
    pool_up
    for name in "${NAMES[@]}"; do
        pool_as "$name/dan" designer >/dev/null
        pool_as "$name/ada" admin >/dev/null
    done
    export ADMIN=$CHIPQ_DIR/keys/admin.key
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

key() { # key NAME [USER]
    echo "$CHIPQ_DIR/$1-${2:-dan}.key"
}

@test "each enterprise counts its jobs from 1" {
    for name in "${NAMES[@]}"; do
        run -0 --separate-stderr chipq --key "$(key "$name")" submit --name "tapeout-$name" -- sh -c "echo secret-$name"
        [ "$output" = 1 ]
    done
    for name in "${NAMES[@]}"; do
        run -0 chipq --key "$(key "$name")" logs -f 1
        [ "$output" = "secret-$name" ]
        run -0 chipq --key "$(key "$name")" wait 1
    done
}

@test "every command about another's job says what it says about no job" {
    for me in "${NAMES[@]}"; do
        for other in "${NAMES[@]}"; do
            [ "$me" != "$other" ] || continue
            for command in job logs wait cancel why hold release requeue; do
                run -3 chipq --key "$(key "$me")" $command "$other/1"
                theirs=$output
                run -3 chipq --key "$(key "$me")" $command "$other/77"
                [ "${theirs//"$other/1"/X}" = "${output//"$other/77"/X}" ] \
                    || [ "$(tr -d 0-9 <<<"$theirs")" = "$(tr -d 0-9 <<<"$output")" ]
                [[ $theirs != *tapeout* && $theirs != *secret* ]]
            done
        done
        [ "$me" != bravo ] || break # two of them against all others are enough
    done
}

@test "lists hold only one's own; a filter does not open another's" {
    for name in "${NAMES[@]}"; do
        run -0 --separate-stderr chipq --key "$(key "$name")" jobs --jsonl
        [ "$(wc -l <<<"$output")" = 1 ]
        [[ $output == *"tapeout-$name"* ]]
    done
    run chipq --key "$(key alpha)" jobs --enterprise bravo --jsonl
    [[ $output != *tapeout-bravo* ]]
}

@test "an enterprise's admin is a stranger to the others as well" {
    run -3 chipq --key "$(key alpha ada)" cancel bravo/1
    run -3 chipq --key "$(key alpha ada)" logs bravo/1
    run chipq --key "$(key alpha ada)" admin user list bravo
    [[ $output != *dan* ]]
    run -3 chipq --key "$(key alpha ada)" admin user revoke bravo/dan
    run -0 chipq --key "$(key bravo)" jobs
}

@test "nodes show others' work as busy, without names; why does not name who is first" {
    T=$(mktemp -d)
    mkfifo "$T/said" "$T/go"
    job=$(chipq --key "$(key alpha)" submit --cores 2 --name hush-hush -- sh -c 'echo up >"$1"; read -r _ <"$2"' \
        sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    waits=$(chipq --key "$(key bravo)" submit -- true)
    for command in "nodes" "nodes --json" "why $waits" "why $waits --json" "status --json" "jobs --json" "job $waits --json"; do
        run -0 chipq --key "$(key bravo)" $command
        [[ $output != *hush* && $output != *alpha* && $output != *"dan/"* ]]
    done
    tell "$T/go" ""
    run -0 chipq --key "$(key alpha)" wait "$job"
    run -0 chipq --key "$(key bravo)" wait "$waits"
    rm -rf "$T"
}

@test "a dependency or a requeue cannot reach into another enterprise" {
    run chipq --key "$(key alpha)" submit --after ok:bravo/1 -- true
    [ "$status" -ne 0 ]
    [[ $output != *tapeout* ]]
}

@test "designers and enterprise admins can do no platform work" {
    node=$(chipq nodes --json | json nodes.0.name)
    for who in dan ada; do
        run -3 chipq --key "$(key alpha $who)" admin enterprise add foxtrot
        run -3 chipq --key "$(key alpha $who)" node drain "$node"
    done
    run -3 chipq --key "$(key alpha)" admin user add alpha/new --role designer --key-out "$BATS_TEST_TMPDIR/k"
    [ ! -e "$BATS_TEST_TMPDIR/k" ]
    run -3 chipq --key "$(key alpha)" admin user revoke alpha/ada
    run -0 chipq nodes --json
    [ "$(json nodes.0.state <<<"$output")" != drained ]
}

# bats test_tags=P13
@test "a revoked key stops at once, also for those who follow; its jobs go on" {
    T=$(mktemp -d)
    mkfifo "$T/said" "$T/go"
    job=$(chipq --key "$(key echo)" submit -- sh -c 'echo one; echo up >"$1"; read -r _ <"$2"; echo two' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    mkfifo "$T/follow"
    chipq --key "$(key echo)" logs -f "$job" >"$T/follow" 2>"$T/why" &
    follower=$!
    exec 8<"$T/follow"
    IFS= read -r -t 10 line <&8
    [ "$line" = one ]
    chipq --key "$(key echo)" wait "$job" 2>"$T/why2" &
    waiter=$!
    until (("0x$(awk '/SigCgt/ {print $2}' "/proc/$waiter/status")" & 2)); do :; done # it has a session
    run -0 chipq --key "$(key echo)" jobs # and, one answer later, its watch
    run -0 chipq --key "$(key echo ada)" admin user revoke echo/dan
    run chipq --key "$(key echo)" submit -- true
    [ "$status" = 3 ]
    tell "$T/go" ""
    run -0 chipq --key "$(key echo ada)" wait "$job" --timeout 10s
    wait_gone "$follower" "$waiter"
    rc=0
    wait "$follower" || rc=$?
    [ "$rc" = 3 ]
    rc=0
    wait "$waiter" || rc=$?
    [ "$rc" = 3 ]
    [[ $(cat "$T/why" "$T/why2") == *revoked* ]]
    ! IFS= read -r line <&8
    exec 8<&-
    rm -rf "$T"
}

@test "a key made up, a key of another pool: refused" {
    other=$(mktemp -d)
    chipqd --dir "$other/i" --init
    sed "s|^endpoint .*|endpoint ipc://$CHIPQ_DIR/run/client.sock|" "$other/i/keys/user.key" >"$other/k"
    chmod 600 "$other/k"
    run timeout 60 chipq --key "$other/k" jobs
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
    { grep -v ^server "$other/k"; grep ^server "$CHIPQ_DIR/keys/user.key"; } >"$other/k2"
    chmod 600 "$other/k2"
    run -3 timeout 60 chipq --key "$other/k2" jobs
    rm -rf "$other"
}
