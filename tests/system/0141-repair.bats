#!/usr/bin/env bats
# chipqd --repair: a pool whose database is damaged, and no backup at hand.
bats_require_minimum_version 1.5.0
load pool.bash

teardown() {
    pool_down
}

stop_chipqd() { # stop_chipqd SIGNAL: only it; what runs goes on
    local pid
    pid=$(pool_pid chipqd)
    kill "-$1" "$pid"
    wait_gone "$pid"
}

# spoil TABLE WHICH: changes a byte in the page of that table's leaves, counted from 0; -1 is the last.
spoil() {
    python3 - "$CHIPQ_DIR/db/chipq.db" "$1" "$2" <<'PY'
import sqlite3, struct, sys
path, table, which = sys.argv[1], sys.argv[2], int(sys.argv[3])
root = sqlite3.connect(f"file:{path}?immutable=1", uri=True).execute(
    "SELECT rootpage FROM sqlite_schema WHERE name=?", (table,)).fetchone()[0]
with open(path, "r+b") as f:
    def leaves(page):
        f.seek((page - 1) * 4096)
        data = f.read(4096)
        if data[0] in (10, 13):
            return [page]
        n, right = struct.unpack(">xxxHxxxI", data[:12])
        cells = struct.unpack(f">{n}H", data[12:12 + 2 * n])
        found = []
        for at in cells:
            found += leaves(struct.unpack(">I", data[at:at + 4])[0])
        return found + leaves(right)
    at = (leaves(root)[which] - 1) * 4096 + 4000
    f.seek(at)
    byte = f.read(1)[0]
    f.seek(at)
    f.write(bytes([byte ^ 0x41]))
PY
}

# hold N: so many held jobs, with names so long that ten rows fill a page.
hold() {
    local i name
    name=$(printf '%0200d' 0)
    for i in $(seq 1 "$1"); do chipq submit --hold --name "$name$i" -- echo "$i" >/dev/null; done
}

refused() {
    run ! chipqd
    [[ $output == *"$CHIPQ_DIR/db/chipq.db is damaged: "*"save what can be read: chipqd --repair"* ]]
}

# bats test_tags=P1
@test "a page of the jobs' table: the start is refused and names the repair, which loses nothing; what ran goes on" {
    pool_up
    mkfifo "$CHIPQ_DIR/go" "$CHIPQ_DIR/said"
    runs=$(chipq submit --name runs -- sh -c "echo on >'$CHIPQ_DIR/said'; read -r line <'$CHIPQ_DIR/go'; echo \"\$line\"")
    [ "$(heard "$CHIPQ_DIR/said")" = on ]
    hold 20
    array=$(chipq submit --array 1-5 --cores 1 -- true)
    chipq wait "$array"
    stop_chipqd TERM
    spoil job 0
    refused
    cp "$CHIPQ_DIR/db/chipq.db" "$CHIPQ_DIR/damaged.db"
    run -0 chipqd --repair --check
    [[ $output == *"1 of "*" pages cannot be read"*"the journal is whole"*"no job is lost"*"nothing was changed"* ]]
    cmp "$CHIPQ_DIR/damaged.db" "$CHIPQ_DIR/db/chipq.db"
    run -0 chipqd --repair
    [[ $output == *"no job is lost"*"the damaged database is $CHIPQ_DIR/db/chipq.db.damaged-"* ]]
    cmp "$CHIPQ_DIR/damaged.db" "$CHIPQ_DIR"/db/chipq.db.damaged-*Z
    pool_up
    echo went on >"$CHIPQ_DIR/go"
    run -0 timeout 60 chipq wait "$runs"
    [ "$(chipq logs "$runs")" = "went on" ]
    [ "$(field "$runs" attempt)" = 1 ]
    [ "$(field "$array" state)" = done ]
    chipq release 2 21
    run -0 timeout 60 chipq wait 2 21
    [ "$(chipq logs 21)" = 20 ]
    run -0 chipq admin audit
    [[ $output == *"repair "*chipq.db.damaged-* ]]
    run -0 chipq admin audit --verify
}

# bats test_tags=P1
@test "jobs and journal: lost jobs are told and cancelled, what waits for them is skipped, the others run, no number twice" {
    pool_up
    hold 30
    for i in 1 10 20 30; do chipq submit --after "ok:$i" -- true >/dev/null; done
    last=$(chipq submit --hold -- true)
    stop_chipqd TERM
    spoil job 1
    spoil journal 1
    refused
    run -0 chipqd --repair
    [[ $output == *"2 of "*" pages cannot be read"*"the journal is not whole"* ]]
    lost=$(sed -n 's/^job \([0-9]*\) of local: its request is known, its state is lost.*/\1/p' <<<"$output")
    [ "$(wc -l <<<"$lost")" -gt 2 ]
    pool_up
    for job in $lost; do
        [ "$(field "$job" state)" = killed ]
    done
    [[ $(chipq job "${lost%%$'\n'*}") == *"its state was lost with a damaged page of the database"* ]]
    skipped=0
    kept=()
    for i in $(seq 1 30); do
        grep -qx "$i" <<<"$lost" || kept+=("$i")
    done
    chipq release "${kept[@]}"
    run -0 timeout 60 chipq wait "${kept[@]}"
    [ "$(chipq logs "${kept[-1]}")" = "${kept[-1]}" ]
    n=30
    for i in 1 10 20 30; do
        n=$((n + 1))
        if grep -qx "$i" <<<"$lost"; then
            [ "$(field $n state)" = killed ]
            skipped=$((skipped + 1))
        elif ! grep -qx "$n" <<<"$lost"; then
            run -0 timeout 60 chipq wait $n
        fi
    done
    [ "$skipped" -gt 0 ]
    [ "$(chipq submit -- true)" -gt "$last" ]
}

# bats test_tags=P1
@test "a write-ahead log that is broken in the middle: what stands before it is there, and what a worker still runs of the rest is stopped" {
    pool_up
    first=$(chipq submit --hold --name first -- echo here)
    size=$(stat -c %s "$CHIPQ_DIR/db/chipq.db-wal")
    mkfifo "$CHIPQ_DIR/said"
    lost=$(chipq submit --name lost -- sh -c "exec 3>'$CHIPQ_DIR/said'; echo on >&3; exec sleep 1000")
    exec 4<"$CHIPQ_DIR/said"
    read -r -t 10 -u 4 _
    for i in $(seq 1 10); do chipq submit --hold -- true >/dev/null; done
    stop_chipqd KILL
    printf '\x5a\xa5' | dd of="$CHIPQ_DIR/db/chipq.db-wal" bs=1 seek=$((size + 1000)) conv=notrunc 2>/dev/null
    refused
    run -0 chipqd --repair
    [[ $output == *"the write-ahead log is broken behind frame "*"transactions ("*"are lost"*"numbers of new jobs begin "* ]]
    pool_up
    [ "$(field "$first" state)" = held ]
    chipq release "$first"
    run -0 timeout 60 chipq wait "$first"
    run ! chipq job "$lost"
    next=$(chipq submit -- true)
    [ "$next" -gt $((lost + 10)) ]
    run -0 timeout 60 chipq wait "$next"
    # Nobody knows the lost one any more: its worker lets it go.
    timeout 20 cat <&4
}

@test "it is refused while chipqd runs, and where nothing is damaged or nothing can be made up" {
    pool_up
    run ! chipqd --repair
    [[ $output == *"already running"* ]]
    chipq submit --hold -- true
    chipq down
    run ! chipqd --repair
    [[ $output == *"is not damaged; it is left as it is"* ]]
    spoil entity 0
    spoil journal 0
    refused
    run ! chipqd --repair
    [[ $output == *"cannot be repaired: enterprises, users with their keys, settings or leases are lost"*"chipqd --restore FILE"* ]]
    run ! chipqd --repair --dir "$CHIPQ_DIR/none"
    [ "$(find "$CHIPQ_DIR/db" -name '*damaged*' -o -name '*.new*' | wc -l)" = 0 ]
}
