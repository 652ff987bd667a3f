#!/usr/bin/env bats
# chipq-helper: commands share one session with the scheduler, and nobody notices when it comes and goes.
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
    export XDG_RUNTIME_DIR=$T/run
    mkdir -m 0700 "$XDG_RUNTIME_DIR"
}

teardown() {
    end_helper -TERM
    rm -rf "$T"
}

sockets() {
    find "$XDG_RUNTIME_DIR/chipq" -name '*.sock' 2>/dev/null
}

# The helper that listens: the lock file's holder. Nothing when there is none.
helper() {
    local lock inode
    lock=$(sockets).lock
    [ -f "$lock" ] || return 0
    inode=$(stat -c %i "$lock")
    awk -v inode="$inode" '$2 == "FLOCK" { n = split($6, id, ":"); if (id[n] == inode) print $5 }' /proc/locks
}

end_helper() {
    local pid
    pid=$(helper)
    [ -z "$pid" ] || { kill "$1" "$pid" && wait_gone "$pid"; }
}

@test "commands share one helper; what it does is told as ever" {
    run -0 chipq submit --hold -- true
    first=$(helper)
    [ -n "$first" ]
    for _ in 1 2 3 4 5; do
        chipq submit --hold -- true
    done
    [ "$(helper)" = "$first" ]
    run -0 chipq jobs --json
    run -3 chipq job 4711
    [[ $output == *4711* ]]
    # it is the helper that is asked
    turns() { awk '/^voluntary_ctxt/ { print $2 }' "/proc/$first/status"; }
    before=$(turns)
    run -0 chipq status
    [ "$(turns)" -gt "$before" ]
    before=$(turns)
    CHIPQ_HELPER=off run -0 chipq status
    [ "$(turns)" -eq "$before" ]
    # stopped, it is left alone
    kill -STOP "$first"
    run -0 timeout 20 chipq submit --hold -- true
    kill -CONT "$first"
    run -0 chipq status
    # it holds nothing of who started it: no descriptor, no directory, no terminal
    [ "$(readlink "/proc/$first/cwd")" = / ]
    [ -z "$(tr '\0' '\n' <"/proc/$first/environ" | grep -v '^[A-Z]*SAN_OPTIONS=')" ]
    [ "$(readlink "/proc/$first/fd/1")" = /dev/null ]
    [ "$(ps -o sid= -p "$first" | tr -d ' ')" = "$first" ]
}

@test "many at once: each gets an answer of its own" {
    for i in $(seq 40); do
        chipq submit --hold --name "n$i" -- true >"$T/$i" 2>/dev/null &
    done
    wait
    [ "$(cat "$T"/* | sort -n | uniq | wc -l)" = 40 ]
    for i in 1 20 40; do
        [ "$(field "$(cat "$T/$i")" name)" = "n$i" ]
    done
}

# bats test_tags=P2
@test "killed between commands and under one: the next does not notice, the one goes on" {
    run -0 chipq status
    old=$(helper)
    end_helper -KILL
    run -0 chipq submit --hold -- true
    [ -n "$(helper)" ]
    [ "$(helper)" != "$old" ]
    job=$output
    # under a command: it is stopped, asked, and killed while the command waits
    old=$(helper)
    kill -STOP "$old"
    chipq job "$job" --json >"$T/out" 2>"$T/err" &
    asker=$!
    timeout 10 sh -c 'until read -r n _ <"/proc/$1/syscall" && case $n in 7 | 73 | 271) ;; *) false ;; esac; do :; done' \
        sh "$asker" # it is in poll(2), or ppoll(2)
    kill -9 "$old"
    wait "$asker"
    json number <"$T/out"
}

@test "the scheduler goes: an error at once; it is back: as if nothing had been" {
    run -0 chipq status
    old=$(helper)
    chipqd=$(pool_pid chipqd)
    kill -9 "$chipqd"
    wait_gone "$chipqd" # a question that it has taken would wait for the next chipqd
    run -5 timeout 10 chipq status
    [[ $output == *"chipq up"* ]]
    wait_gone "$old" # with nobody to serve it leaves
    run -0 chipq up
    run -0 chipq status
}

@test "the scheduler dies with a question open: the command says that it waits, and has its answer from the next one" {
    run -0 chipq status
    chipqd=$(pool_pid chipqd)
    mkfifo "$T/told"
    exec 8<>"$T/told"
    kill -STOP "$chipqd"
    chipq status --json >"$T/out" 2>"$T/told" 8>&- &
    asker=$!
    timeout 10 sh -c 'until read -r n _ <"/proc/$1/syscall" && case $n in 7 | 73 | 271) ;; *) false ;; esac; do :; done' \
        sh "$asker" # it is in poll(2), or ppoll(2)
    kill -9 "$chipqd"
    IFS= read -r -t 10 line <&8
    [ "$line" = "chipq: the scheduler is away; waiting for it" ]
    chipq up
    wait "$asker"
    [ "$(json jobs_running <"$T/out")" = 0 ]
    IFS= read -r -t 10 line <&8
    [ "$line" = "chipq: the scheduler is back" ]
    exec 8<&-
}

@test "nobody comes: it leaves, and takes its socket along" {
    end_helper -TERM
    CHIPQ_HELPER_IDLE=200ms run -0 chipq status
    pid=$(helper)
    wait_gone "$pid"
    [ -z "$(sockets)" ]
}

@test "a revoked key is refused, also through a helper that was there before" {
    key=$(pool_as acme/ann designer)
    end_helper -TERM # the admin's
    run -0 chipq --key "$key" status
    CHIPQ_HELPER=off run -0 chipq --key "$CHIPQ_DIR/keys/admin.key" admin user revoke acme/ann
    run ! timeout 20 chipq --key "$key" status
    [[ $output == *"this key was revoked"* ]]
    end_helper -TERM
    run ! timeout 20 chipq --key "$key" status
    [[ $output == *"does not accept this key"* ]]
}

@test "a place that is not safe is not used, and commands work all the same" {
    mkdir -m 0755 "$XDG_RUNTIME_DIR/chipq"
    run -0 chipq submit --hold -- true
    [ -z "$(sockets)" ]
    chmod 0700 "$XDG_RUNTIME_DIR/chipq"
    rmdir "$XDG_RUNTIME_DIR/chipq" 2>/dev/null || rm -rf "$XDG_RUNTIME_DIR/chipq"
    mkdir -m 0700 "$T/elsewhere"
    ln -s "$T/elsewhere" "$XDG_RUNTIME_DIR/chipq"
    run -0 chipq submit --hold -- true
    [ -z "$(ls "$T/elsewhere")" ]
    rm "$XDG_RUNTIME_DIR/chipq"
}

@test "another account cannot talk to it" {
    run -0 chipq status
    socket=$(sockets)
    # even where the directory lets it: the helper looks at who asks
    chmod 0711 "$T" "$XDG_RUNTIME_DIR" "$XDG_RUNTIME_DIR/chipq"
    chmod 0777 "$socket"
    run -0 setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 - "$socket" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
    sys.exit(0 if s.recv(1) == b"" else 1)
except (PermissionError, ConnectionResetError):
    sys.exit(0)
PY
    chmod 0700 "$XDG_RUNTIME_DIR" "$XDG_RUNTIME_DIR/chipq"
}

@test "garbage on its socket harms nobody" {
    run -0 chipq status
    pid=$(helper)
    python3 - "$(sockets)" <<'PY'
import socket, sys
for bytes in (b"\xff" * 64, b"M\xff\xff\xff\xff", b"M\x03\x00\x00\x00abc", b"K\x04\x00\x00\x00evil", b"M" + b"\x00" * 4):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(bytes)
    s.shutdown(socket.SHUT_WR)
    while s.recv(4096):
        pass
PY
    run -0 chipq status
    [ "$(helper)" = "$pid" ]
}
