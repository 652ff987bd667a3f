#!/usr/bin/env bats
# The instance's directory in every bad state: in use, stale, read-only, emptied, damaged, newer than the program.
bats_require_minimum_version 1.5.0
load pool.bash

setup() {
    pool_dir
}

teardown() {
    chmod -R u+w "$CHIPQ_DIR" 2>/dev/null || true
    BATS_TEST_COMPLETED=1 pool_down
}

kill_all() {
    local pids
    pids="$(pool_pid chipqd) $(pool_pid execd) $(pool_pid worker)"
    # shellcheck disable=SC2086
    kill -9 $pids
    # shellcheck disable=SC2086
    wait_gone $pids
}

@test "chipqd already running: a second one is refused, the first goes on" {
    pool_up
    pid=$(pool_pid chipqd)
    run -7 chipqd
    [[ $output == *"$pid"* ]]
    run -0 chipq up
    [[ $output == *"already running"* ]]
    [ "$(pool_pid chipqd)" = "$pid" ]
    run -0 chipq submit --wait -- true
}

@test "a second execd of the same instance is refused" {
    pool_up
    run timeout 20 chipq-execd --dir "$CHIPQ_DIR"
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ]
    [[ $output == *"$(pool_pid execd)"* || $output == *running* ]]
    run -0 chipq submit --wait -- true
}

# bats test_tags=P1
@test "stale: all killed, pid files and sockets left behind: up again works, the job is there" {
    pool_up
    job=$(chipq submit --hold -- true)
    kill_all
    [ -S "$CHIPQ_DIR/run/client.sock" ]
    run -5 chipq jobs
    [[ $output == *"chipq up"* ]]
    run -0 chipq up
    run -0 chipq release "$job"
    run -0 chipq wait "$job"
}

@test "up in the very moment of a kill: the one that still dies is not taken for running" {
    pool_up
    for _ in 1 2 3 4 5; do
        kill -9 "$(pool_pid chipqd)"
        run -0 chipq up
        [[ $output == *"the pool is up"* ]]
    done
}

@test "stale: a pid file that names a stranger's process hurts nobody" {
    pool_up
    chipq down
    tail -f /dev/null &
    stranger=$!
    for role in chipqd execd worker; do echo "$stranger" >"$CHIPQ_DIR/run/$role.pid"; done
    run -0 chipq down
    [[ $output == *"no pool runs"* ]]
    kill -0 "$stranger"
    run -0 chipq up
    run -0 chipq submit --wait -- true
    run -0 chipq down
    kill -0 "$stranger"
    kill "$stranger"
}

# bats test_tags=P1
@test "up, down, up, down: waiting jobs are kept, in their order, with their numbers" {
    pool_up
    a=$(chipq submit --hold -- true)
    b=$(chipq submit --after "ok:$a" -- true)
    c=$(chipq submit --array 1-3 --after "ok:$b" -- true)
    for _ in 1 2; do
        chipq down
        chipq up
        [ "$(field "$a" state)$(field "$b" state)$(field "$c" state)" = heldpendingpending ]
    done
    chipq release "$a"
    run -0 chipq wait "$a" "$b" "$c"
    [ "$(chipq submit --hold -- true)" = $((c + 1)) ]
}

@test "two ups at once make one pool" {
    chipq up --cores 2 --mem 2G 2>"$CHIPQ_DIR.1" &
    one=$!
    chipq up --cores 2 --mem 2G 2>"$CHIPQ_DIR.2" &
    two=$!
    wait "$one"
    wait "$two"
    rm -f "$CHIPQ_DIR.1" "$CHIPQ_DIR.2"
    [ "$(chipq status --json | json workers_up)" = 1 ]
    [ "$(pgrep -f -c "chipqd --dir $CHIPQ_DIR ")" = 1 ]
    run -0 chipq submit --wait -- true
}

# bats test_tags=P1
@test "the database is gone: refused, never an empty queue" {
    pool_up
    chipq submit --hold -- true
    chipq down
    rm -f "$CHIPQ_DIR"/db/chipq.db*
    run chipq up
    [ "$status" -ne 0 ]
    [[ $output == *"no database"* || $output == *"database is gone"* || $output == *"missing"* ]]
    [ ! -e "$CHIPQ_DIR/db/chipq.db" ]
}

@test "the database is damaged in its middle: refused, nothing is written" {
    pool_up
    chipq submit --array 1-1000 --hold -- true
    chipq down
    size=$(stat -c %s "$CHIPQ_DIR/db/chipq.db")
    head -c $((size / 2)) /dev/urandom | dd of="$CHIPQ_DIR/db/chipq.db" bs=1 seek=4096 conv=notrunc status=none
    sum=$(cksum <"$CHIPQ_DIR/db/chipq.db")
    run chipq up
    [ "$status" -ne 0 ]
    [[ $output == *damaged* || $output == *malformed* ]]
    [ "$(cksum <"$CHIPQ_DIR/db/chipq.db")" = "$sum" ]
    run -5 chipq jobs
}

@test "the database was cut short: refused" {
    pool_up
    chipq submit --hold -- true
    chipq down
    size=$(stat -c %s "$CHIPQ_DIR/db/chipq.db")
    truncate -s $((size - 8192)) "$CHIPQ_DIR/db/chipq.db"
    run chipq up
    [ "$status" -ne 0 ]
    [[ $output == *damaged* || $output == *malformed* ]]
}

@test "a database of a newer chipq is refused with both versions" {
    pool_up
    chipq down
    python3 - "$CHIPQ_DIR/db/chipq.db" <<'EOP'
import sqlite3, struct, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute("pragma user_version").fetchone())
db.execute("pragma user_version = 999")
db.commit()
db.close()
# As a newer chipq would leave it: with the page's sum (scheduler/store/vfs_sums.c).
with open(sys.argv[1], "r+b") as f:
    page, total = f.read(4096), 0xcbf29ce484222325
    for word in struct.unpack("=511Q", page[:4088]):
        total = ((total ^ word) * 0x100000001b3) & (2**64 - 1)
        total ^= total >> 32
    f.seek(4088)
    f.write(struct.pack("=Q", total))
EOP
    run chipq up
    [ "$status" -ne 0 ]
    [[ $output == *999* || $output == *newer* ]]
}

@test "a database of another program is refused" {
    pool_up
    chipq down
    rm -f "$CHIPQ_DIR"/db/chipq.db*
    python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1]); db.execute("create table t (x)"); db.commit()' "$CHIPQ_DIR/db/chipq.db"
    run chipq up
    [ "$status" -ne 0 ]
    [[ $output == *"chipq.db"* || $output == *"database"* ]]
}

@test "an idle pool uses no processor time" {
    pool_up
    chipq submit --wait -- true
    held=$(chipq submit --hold -- true)
    ticks() {
        local pid sum=0
        for pid in $(pool_pid chipqd) $(pool_pid execd) $(pool_pid worker); do
            sum=$((sum + $(awk '{print $14 + $15}' "/proc/$pid/stat")))
        done
        echo "$sum"
    }
    run -6 chipq wait "$held" --timeout 500ms # what the start left to do is done
    before=$(ticks)
    timeout 3 tail -f /dev/null --pid="$(pool_pid chipqd)" || true
    after=$(ticks)
    ((after - before <= 1))
}

@test "no room in the log directory, no log file: up says which file" {
    pool_up
    chipq down
    rm -rf "$CHIPQ_DIR/log"
    touch "$CHIPQ_DIR/log"
    run chipq up
    [ "$status" -ne 0 ]
    [[ $output == *"$CHIPQ_DIR/log"* ]]
}

@test "up keeps what is the system's, says what is wrong with it, and takes it back" {
    [ "$(nproc)" -ge 2 ] || skip "this machine has one processor"
    run -2 chipq up --system-cores 900
    [[ $output == *"--system-cores names core 900; this machine has 0 to "* ]]
    run -0 chipq up --system-cores 0 --cores 1 --system-mem 1G
    run -0 chipq down
    run -0 chipq up --mem 1G
    [ "$(grep -vc '^#' "$CHIPQ_DIR/chipq.conf")" = 4 ]
    [ "$(chipq nodes --topology --json | json nodes.0.places.0.use)" = system ]
    job=$(chipq submit --cores 1 -- true)
    chipq wait "$job"
    [ "$(field "$job" core_ids)" = 1 ]
    run -0 chipq down
    run -0 chipq up --system-cores ''
    [ "$(chipq nodes --topology --json | json nodes.0.places.0.use)" = idle ]
}

# bats test_tags=P1
@test "a chipqd that dies while the pool is started is named at once, and the next up has all of it" {
    chipqd --list-failpoints | grep -qx chipqd.dispatch.after_commit || skip "failpoints are not compiled in"
    local named=0
    for nth in 1 2 3; do
        CQ_FAILPOINTS="chipqd.dispatch.after_commit=kill@$nth" run chipq up --cores 1
        if [ "$status" = 0 ]; then
            chipq down
        else
            [[ $output == *"$CHIPQ_DIR/log/chipqd.log says why"* ]]
            named=$((named + 1))
        fi
    done
    [ "$named" -gt 0 ]
    run -0 chipq up --cores 1
    [[ $output == *"1 worker, 1 core"* ]]
    chipq down
}
