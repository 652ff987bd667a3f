# Loaded by every system test that wants a pool of its own. Nothing here sleeps: `chipq up` returns when the pool
# answers, `chipq wait` when a job is over, `until_true` looks again when a file of the instance changes.
#   pool_up [chipq up options]     a fresh instance in $CHIPQ_DIR, stopped by pool_down (call it from teardown)
#   pool_as ENTERPRISE/USER ROLE [admin user add options]   makes that principal, prints its key file
# shellcheck shell=bash

: "${CHIPQ_ROOT:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}"
: "${CHIPQ_BIN:=$CHIPQ_ROOT/build/debug/bin}"
PATH=$CHIPQ_BIN:$PATH
export CHIPQ_BIN CHIPQ_ROOT PATH
unset CHIPQ_KEY NO_COLOR

pool_dir() {
    CHIPQ_DIR=$(mktemp -d "${TMPDIR:-/tmp}/cq.XXXXXX")
    export CHIPQ_DIR
}

pool_up() {
    [ -n "${CHIPQ_DIR-}" ] || pool_dir
    chipq up --cores 2 --mem 2G "$@" >&2
}

pool_down() {
    [ -n "${CHIPQ_DIR-}" ] || return 0
    chipq down >/dev/null 2>&1 || true
    if [ -n "${BATS_TEST_COMPLETED-}" ]; then
        rm -rf "$CHIPQ_DIR"
    else
        echo "# instance kept: $CHIPQ_DIR" >&2
        tail -n 20 "$CHIPQ_DIR"/log/*.log >&2 || true
    fi
    unset CHIPQ_DIR
}

pool_pid() { # pool_pid chipqd|execd|worker
    cat "$CHIPQ_DIR/run/$1.pid"
}

pool_as() {
    local file
    file=$CHIPQ_DIR/$(tr / - <<<"$1").key
    chipq --key "$CHIPQ_DIR/keys/admin.key" admin enterprise add "${1%%/*}" >/dev/null 2>&1 || true
    chipq --key "$CHIPQ_DIR/keys/admin.key" admin user add "$1" --role "$2" "${@:3}" --key-out "$file" >/dev/null || return 1
    echo "$file"
}

# wait_gone PID...: returns when none of them runs (at most 10 s). The kernel says when: `tail --pid` looks once a second.
wait_gone() {
    python3 - "$@" <<'PY'
import os, select, sys, time
deadline = time.monotonic() + 10
for pid in sys.argv[1:]:
    try:
        fd = os.pidfd_open(int(pid))
    except ProcessLookupError:
        continue
    if not select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
        sys.exit(f"process {pid} still runs")
PY
}

# json FILTER: reads JSON on standard input, prints one value; python is there on every test machine.
json() {
    python3 -c 'import json,sys
v = json.load(sys.stdin)
for k in sys.argv[1].split("."):
    v = v[int(k)] if isinstance(v, list) else v[k]
print(json.dumps(v) if isinstance(v, (dict, list, bool)) or v is None else v)' "$1"
}

# field JOB PATH: one value of `chipq job JOB --json`.
field() {
    chipq job "$1" --json | json "$2"
}

# heard FIFO: the next line that a job writes into it (at most 10 s: opened for writing too, it opens without a writer).
heard() {
    local line
    IFS= read -r -t 10 line <>"$1" && printf '%s\n' "$line"
}

# tell FIFO WORD: a job reads it (at most 10 s).
tell() {
    timeout 10 sh -c 'echo "$2" >"$1"' sh "$@"
}

# all_closed FIFO SECONDS: prints what comes out of it until the last process that holds it open for writing is gone;
# fails when one is left after SECONDS. Open it for reading before the first writer goes away.
all_closed() {
    timeout "$2" cat "$1"
}

# busy_keepers: the pids of those shepherds under which something runs now; others wait for their lease to close.
busy_keepers() {
    local keeper
    for keeper in $(pgrep -P "$(pool_pid execd)" -f chipq-shepherd); do
        ! pgrep -P "$keeper" >/dev/null || echo "$keeper"
    done
}

# sum_pages DATABASE: makes the checksum of every page fit again, after another program has written to it.
sum_pages() {
    python3 - "$1" <<'PY'
import struct, sys
with open(sys.argv[1], "r+b") as f:
    whole = bytearray(f.read())
    size = struct.unpack(">H", whole[16:18])[0]
    size = 65536 if size == 1 else size
    for at in range(0, len(whole), size):
        page = whole[at:at + size]
        if not any(page):
            continue
        total = 0xcbf29ce484222325 ^ at
        for word in struct.unpack(f"<{size // 8 - 1}Q", page[:size - 8]):
            total = (total ^ word) * 0x100000001b3 & (1 << 64) - 1
            total ^= total >> 32
        whole[at + size - 8:at + size] = struct.pack("<Q", total)
    f.seek(0)
    f.write(whole)
PY
}
