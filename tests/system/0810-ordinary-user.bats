#!/usr/bin/env bats
# The whole pool as an ordinary user: nothing needs root; what the system forbids is told.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    export PLACE
    if [ "$(id -u)" = 0 ]; then
        getent passwd nobody >/dev/null || skip "no account nobody"
        # Binaries where that account can read them.
        PLACE=$(mktemp -d /tmp/cqu.XXXXXX)
        chmod 755 "$PLACE"
        cp -r "$CHIPQ_BIN" "$PLACE/bin"
        mkdir "$PLACE/home"
        chown nobody "$PLACE/home"
    else
        PLACE=$(mktemp -d)
        mkdir "$PLACE/home"
        ln -s "$CHIPQ_BIN" "$PLACE/bin"
    fi
    as_user chipq up --cores 2 --mem 1G
}

teardown_file() {
    [ -n "${PLACE-}" ] || return 0
    as_user chipq down
    rm -rf "$PLACE"
}

# An account without any privilege, its own home, nothing else.
as_user() {
    local plain=(env -i HOME="$PLACE/home" PATH="$PLACE/bin:/usr/bin:/bin" CHIPQ_DIR="$PLACE/home/i" LC_ALL=C.UTF-8
        ASAN_OPTIONS="${ASAN_OPTIONS-}" sh -c 'cd "$HOME" && exec "$@"' sh)
    if [ "$(id -u)" = 0 ]; then
        runuser -u nobody -- "${plain[@]}" "$@"
    else
        "${plain[@]}" "$@"
    fi
}

@test "submit, output, status, array" {
    run -0 as_user chipq submit --wait -- true
    run as_user chipq submit --wait -- sh -c 'echo hello; exit 3'
    [ "$status" = 1 ]
    run -0 as_user chipq logs 2
    [ "$output" = hello ]
    run -0 as_user chipq submit --wait --array 1-50 -- true
}

@test "jobs run as that account" {
    run -0 as_user sh -c 'chipq logs -f "$(chipq submit -- id -u)"'
    [ "$output" = "$(as_user id -u)" ]
}

# bats test_tags=P9
@test "the keeper kills the whole tree without root as well" {
    mkfifo -m 666 "$PLACE/home/alive"
    exec 8<>"$PLACE/home/alive"
    job=$(as_user chipq submit --grace 300ms -- sh -c \
        'exec 7>"$HOME/alive"; trap "" TERM; (setsid sh -c "trap \"\" TERM HUP; while :; do sleep 1000; done" &)
         echo up >&7; while :; do sleep 1000; done')
    IFS= read -r -t 10 line <&8
    [ "$line" = up ]
    exec 9<"$PLACE/home/alive" 8<&-
    as_user chipq cancel "$job"
    timeout 5 cat <&9
    exec 9<&-
}

# bats test_tags=P8
@test "kill -9 of the agent: the job goes on" {
    job=$(as_user chipq submit -- sh -c 'mkfifo go; read -r code <go; rm go; exit "$code"')
    log=$PLACE/home/i/log/worker.log
    agent=$(cat "$PLACE/home/i/run/worker.pid")
    kill -9 "$agent"
    wait_gone "$agent"
    timeout 10 sh -c 'until [ -p "$1" ]; do :; done; echo 4 >"$1"' sh "$PLACE/home/go"
    run as_user chipq wait "$job" --timeout 20s
    [ "$status" = 1 ]
    run -0 as_user chipq job "$job" --json
    [ "$(json exit_code <<<"$output")" = 4 ]
    grep -q execd.agent "$log"
}

@test "a read-only directory: up says so, makes nothing" {
    as_user mkdir -m 700 ro
    as_user chmod 500 ro
    run as_user chipq --dir "$PLACE/home/ro/i" up
    [ "$status" = 70 ]
    [[ $output == *"ro"*"Permission denied"* ]]
    run as_user chipq --dir "$PLACE/home/ro" up
    [ "$status" -ne 0 ]
    [[ $output == *"ro"* ]]
}

@test "an instance that became read-only: up says which file; with rights back it goes on" {
    run -0 as_user chipq down
    as_user chmod 500 i/db
    as_user chmod 400 i/db/chipq.db
    run as_user chipq up
    [ "$status" -ne 0 ]
    [[ $output == *"chipq.db"* || $output == *"/db"* ]]
    as_user chmod 600 i/db/chipq.db
    as_user chmod 700 i/db
    run -0 as_user chipq up
    run -0 as_user chipq job 2
}

@test "another account cannot read the keys nor reach the sockets" {
    [ "$(id -u)" = 0 ] || skip "needs a second account"
    getent passwd daemon >/dev/null || skip "no account daemon"
    run runuser -u daemon -- env CHIPQ_DIR="$PLACE/home/i" "$PLACE/bin/chipq" jobs
    [ "$status" -ne 0 ]
    run runuser -u daemon -- cat "$PLACE/home/i/keys/user.key"
    [ "$status" -ne 0 ]
}

@test "doctor tells how processes are kept" {
    run as_user chipq doctor --json
    [[ $output != *'"fail"'* ]]
}
