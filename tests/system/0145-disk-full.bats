#!/usr/bin/env bats
# A disk that a job fills, for real: a small tmpfs under the database. What runs ends and its end is on disk, new work
# is refused in clear words, a restart works, and when room is back all goes on by itself.
bats_require_minimum_version 1.5.0
load pool.bash

setup() {
    pool_dir
    DB=$CHIPQ_DIR/db
    mkdir -m 700 "$DB"
    mount -t tmpfs -o size=40m,mode=700 tmpfs "$DB" 2>"$CHIPQ_DIR/why" || {
        why=$(cat "$CHIPQ_DIR/why")
        rm -rf "$CHIPQ_DIR"
        unset CHIPQ_DIR DB
        skip "mounting a tmpfs is not permitted here: $why"
    }
}

teardown() {
    [ -n "${DB-}" ] || return 0
    chipq down >/dev/null 2>&1 || true
    umount "$DB"
    BATS_TEST_COMPLETED=${BATS_TEST_COMPLETED-} pool_down
}

free_kib() {
    df --output=avail -k "$DB" | tail -n 1 | tr -d ' '
}

until_log() { # until_log WORDS: chipqd's log says so (20 s)
    timeout 20 sh -c 'tail -n +1 -f "$1" | grep -q -m 1 -e "$2"' sh "$CHIPQ_DIR/log/chipqd.log" "$1"
}

# A job that fills the disk, says so, waits for a word and ends; its number is $FILLER.
fill_disk() {
    FILLER=$(chipq submit --name filler -- sh -c \
        'dd if=/dev/zero of="$1/junk" bs=64k 2>/dev/null; echo full >"$2/said"; read -r _ <"$2/go"' sh "$DB" "$CHIPQ_DIR")
    ACKED=$((ACKED + 1))
    [ "$(heard "$CHIPQ_DIR/said")" = full ]
    [ "$(free_kib)" -lt 1024 ] # the ballast may be free again already
}

# What is left or became free, too: only what chipqd keeps for itself remains.
fill_rest() {
    dd if=/dev/zero of="$DB/junk-too" bs=4k 2>/dev/null || true
    [ "$(free_kib)" = 0 ]
}

start_pool() { # start_pool LOW-WATER
    mkfifo "$CHIPQ_DIR/said" "$CHIPQ_DIR/go" "$CHIPQ_DIR/go-other"
    echo "low-water = $1" >"$CHIPQ_DIR/chipq.conf"
    ACKED=0
    pool_up
    [ -s "$DB/chipq.db-ballast" ]
}

# What the dump says when all is over: every accepted job, each ended once and in order.
check_dump() {
    chipq down
    chipqd --dump >"$CHIPQ_DIR/dump"
    python3 - "$CHIPQ_DIR/dump" "$ACKED" <<'EOF'
import json, sys
jobs, seqs = [], []
for line in open(sys.argv[1]):
    row = json.loads(line)
    if "job" in row:
        jobs.append(row["job"])
    else:
        seqs.append(row["seq"])
assert seqs == list(range(1, len(seqs) + 1)), "the journal has a gap"
assert len(jobs) == int(sys.argv[2]), (len(jobs), sys.argv[2])
assert all(j["state"] == "done" for j in jobs), [(j["number"], j["state"]) for j in jobs]
EOF
}

# bats test_tags=P1,P11
@test "a job fills the disk: ends are recorded, submits refused, a restart works, room comes back" {
    start_pool 8M
    other=$(chipq submit -- sh -c 'read -r _ <"$1/go-other"' sh "$CHIPQ_DIR")
    wide=$(chipq submit --cores 2 -- true)
    ACKED=2
    fill_disk
    until_log 'disk.tight'
    run -0 chipq why "$wide"
    [[ $output == *"no job starts: the scheduler's disk is nearly full, on $DB"* ]]
    [[ $output == *'it goes on when 8M are free there'* ]]
    run ! chipq submit -- true
    [[ $output == *"MiB free on $DB, submits need 8 MiB; make room there"* ]]
    [ ! -e "$DB/chipq.db-ballast" ]
    fill_rest
    run -0 chipq status
    [[ $output == *"MiB free on $DB: submits are refused and nothing starts until 8 MiB are free"* ]]
    [ "$(chipq status --json | json disk)" = tight ]
    run -1 chipq doctor --json
    [[ $output == *'submits are refused'* ]]

    # What runs ends, and the end is there.
    local go
    for go in go go-other; do timeout 20 sh -c "echo >'$CHIPQ_DIR/$go'"; done
    run -0 timeout 60 chipq wait "$FILLER" "$other"
    [ "$(free_kib)" = 0 ]
    [ "$(field "$wide" state)" = pending ]
    run ! chipq submit -- true

    # On the full disk a killed chipqd comes back, with all it had said.
    pid=$(pool_pid chipqd)
    kill -9 "$pid"
    wait_gone "$pid"
    pool_up
    for job in "$FILLER" "$other"; do [ "$(field "$job" state)" = done ]; done
    run ! chipq submit -- true

    rm "$DB"/junk*
    until_log 'disk.fine'
    last=$(chipq submit -- true)
    [ -s "$DB/chipq.db-ballast" ]
    run -0 timeout 60 chipq wait "$wide" "$last"
    ACKED=$((ACKED + 1))
    check_dump
}

# bats test_tags=P1,P11
@test "not even the ballast is enough: chipqd lives, says so, and writes when there is room" {
    start_pool 1M
    fill_disk
    until_log 'disk.tight'
    fill_rest
    # Administration is not refused: it goes on until nothing is left.
    local n=0
    while timeout 5 chipq admin enterprise add "e$n" >/dev/null 2>&1; do
        n=$((n + 1))
        [ "$n" -lt 500 ]
    done
    pid=$(pool_pid chipqd)
    until_log 'disk.full'
    run ! chipq status
    [[ $output == *"disk is full: 0 MiB free on $DB, and nothing can be written; make room there"* ]]
    timeout 20 sh -c "echo >'$CHIPQ_DIR/go'" # its end cannot be written yet
    rm "$DB"/junk*
    until_log 'disk.fine'
    last=$(chipq submit -- true)
    ACKED=$((ACKED + 1))
    [ "$(pool_pid chipqd)" = "$pid" ]
    run -0 timeout 60 chipq wait "$FILLER" "$last"
    [ "$(chipq admin enterprise list --json | grep -c "\"e[0-9]*\"")" -ge "$n" ]
    check_dump
}
