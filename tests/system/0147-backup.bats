#!/usr/bin/env bats
# Backups of a pool at work, their restore, and databases that must not be served.
bats_require_minimum_version 1.5.0
load pool.bash

setup() {
    RAW=${CHIPQ_BUILD:-$CHIPQ_BIN/..}/tests/raw-client
}

teardown() {
    if [ -n "${OLD-}" ]; then
        CHIPQ_DIR=$OLD chipq down >/dev/null 2>&1 || true
        [ -z "${BATS_TEST_COMPLETED-}" ] || rm -rf "$OLD"
    fi
    pool_down
}

kill_chipqd() {
    local pid
    pid=$(pool_pid chipqd)
    kill -9 "$pid"
    wait_gone "$pid"
}

# fresh_with_keys: CHIPQ_DIR becomes an empty instance that has the keys of the one before, which goes on in $OLD.
fresh_with_keys() {
    OLD=$CHIPQ_DIR
    pool_dir
    cp -r "$OLD/keys" "$CHIPQ_DIR/keys"
    sed -i "s,ipc://$OLD/,ipc://$CHIPQ_DIR/," "$CHIPQ_DIR"/keys/*.key
}

@test "a backup under load, restored into a fresh instance: jobs and history are there" {
    local i n
    pool_up
    for i in $(seq 1 40); do chipq submit --name "old$i" -- true >/dev/null; done
    chipq wait 1 40
    held=$(chipq submit --hold --name held -- true)
    # Others go on submitting while it is made.
    (while [ ! -e "$CHIPQ_DIR/enough" ]; do chipq submit -- true || exit 1; done) 2>"$CHIPQ_DIR/err" >"$CHIPQ_DIR/submitted" 3>&- &
    load=$!
    run --separate-stderr chipq admin backup one.db --json
    touch "$CHIPQ_DIR/enough"
    wait "$load"
    [ "$status" = 0 ]
    [ "$(json path <<<"$output")" = "$CHIPQ_DIR/backup/one.db" ]
    [ "$(json bytes <<<"$output")" = "$(stat -c %s "$CHIPQ_DIR/backup/one.db")" ]
    [ "$(ls -A "$CHIPQ_DIR/backup")" = one.db ] # nothing is left beside it
    run -0 chipq admin audit
    [[ $output == *"backup "*one.db* ]]
    last=$(tail -n 1 "$CHIPQ_DIR/submitted")
    chipq wait "$last"

    fresh_with_keys
    run -0 chipqd --restore "$OLD/backup/one.db"
    [[ $output == *"restored $OLD/backup/one.db: up to "*" jobs, "*"not over"* ]]
    pool_up
    [ "$(field 1 name)" = old1 ]
    [ "$(field 40 state)" = done ]
    [ "$(field "$held" state)" = held ]
    chipq release "$held"
    run -0 timeout 60 chipq wait "$held"
    run -0 chipq admin audit
    [[ $output == *restore*one.db* ]]
    run -0 chipq admin audit --verify
    # An epoch above all that workers may have seen.
    [ "$(chipq status --json | json epoch)" -gt 1000000 ]
    new=$(chipq submit -- true)
    [ "$new" -gt "$held" ]
    run -0 timeout 60 chipq wait "$new"
}

@test "who may, what it may be called, and what is there already" {
    pool_up
    designer=$(pool_as local/ann designer)
    run ! chipq --key "$designer" admin backup x.db
    [[ $output == *"a designer may not make backups; a platform admin may"* ]]
    for name in ../x.db /tmp/x.db a/b .hidden -x x.part 'a b'; do
        run -2 chipq admin backup -- "$name"
        [[ $output == *"cannot be the name of a backup"* ]]
    done
    run -0 chipq admin backup x.db
    run ! chipq admin backup x.db
    [[ $output == *"$CHIPQ_DIR/backup/x.db is there already; take another name"* ]]
    run -0 chipq admin backup
    [[ $output == "$CHIPQ_DIR/backup/chipq-"*"Z.db"* ]]
    [ "$(find "$CHIPQ_DIR/backup" -type f | wc -l)" = 2 ]
    [ ! -e "$CHIPQ_DIR/../x.db" ]
}

@test "a restore is refused over a database, a running chipqd, without keys, and from what is no backup" {
    pool_up
    job=$(chipq submit --name first -- true)
    chipq wait "$job"
    chipq admin backup b.db
    chipq submit --name later --hold -- true
    B=$CHIPQ_DIR/backup/b.db
    run ! chipqd --restore "$B"
    [[ $output == *"already running"* ]]
    chipq down
    run ! chipqd --restore "$B"
    [[ $output == *"there is a database already: $CHIPQ_DIR/db/chipq.db; with --replace it is put aside"* ]]
    cp "$B" "$CHIPQ_DIR/bad.db"
    printf X | dd of="$CHIPQ_DIR/bad.db" bs=1 seek=$((3 * 4096 + 1)) conv=notrunc 2>/dev/null
    run ! chipqd --restore "$CHIPQ_DIR/bad.db" --replace
    [[ $output == *"bad.db"*"damaged"* || $output == *"bad.db"*malformed* ]]
    run ! chipqd --restore "$CHIPQ_DIR/chipq.conf.none" --replace
    run ! chipqd --restore "$CHIPQ_DIR/keys/server.key" --replace
    [ "$(field_of_dump later)" = held ] # nothing was touched
    run -0 chipqd --restore "$B" --replace
    [[ $output == *"the database that was there is $CHIPQ_DIR/db/chipq.db.replaced-"* ]]
    run -0 chipqd --dump
    [[ $output != *'"later"'* ]]
    pool_up
    [ "$(field "$job" name)" = first ]
    chipq down
    rm -rf "$CHIPQ_DIR/keys" "$CHIPQ_DIR"/db/chipq.db*
    run ! chipqd --restore "$B"
    [[ $output == *"keys/server.key is missing; a backup holds no secret keys"* ]]
}

field_of_dump() { # field_of_dump NAME: the state of the job of that name
    chipqd --dump | python3 -c 'import json,sys
for line in sys.stdin:
    job = json.loads(line).get("job")
    if job and job["name"] == sys.argv[1]:
        print(job["state"])' "$1"
}

@test "a backup that is killed, or finds no room, leaves nothing that looks like one" {
    pool_dir
    chipqd --init
    chipqd --list-failpoints | grep -qx store.backup.before_rename || skip "failpoints are not compiled in"
    CQ_FAILPOINTS='store.backup.before_rename=kill' pool_up
    run ! timeout 20 chipq admin backup a.db
    [ ! -e "$CHIPQ_DIR/backup/a.db" ]
    pool_up
    run -0 chipq admin backup b.db
    [ "$(ls -A "$CHIPQ_DIR/backup")" = b.db ]
    chipq down
    CQ_FAILPOINTS='store.backup.step=err(EIO)' pool_up
    run ! chipq admin backup c.db
    [[ $output == *c.db* ]]
    [ "$(ls -A "$CHIPQ_DIR/backup")" = b.db ]
    chipq submit -- true # the failure is the backup's alone
    chipq down
    echo 'low-water = 1024T' >"$CHIPQ_DIR/chipq.conf"
    pool_up
    run ! chipq admin backup d.db
    [[ $output == *"no room for a backup: the database has "*" MiB are free on "* ]]
}

# bats test_tags=P1
@test "a last transaction that was cut is dropped and told; damage, another's database and none are refused" {
    pool_up
    chipq submit --hold -- true
    chipq submit --hold -- true
    kill_chipqd
    D=$CHIPQ_DIR/db/chipq.db
    cp "$D" "$CHIPQ_DIR/whole.db"
    cp "$D-wal" "$CHIPQ_DIR/whole.wal"
    size=$(stat -c %s "$D-wal")
    truncate -s $((size - 100)) "$D-wal"
    pool_up
    grep -q 'store.dropped bytes=.*is not complete' "$CHIPQ_DIR/log/chipqd.log"
    [ "$(field 1 state)" = held ]
    chipq down

    # A changed byte in the middle of the WAL: transactions that were complete come after it.
    cp "$CHIPQ_DIR/whole.db" "$D"
    cp "$CHIPQ_DIR/whole.wal" "$D-wal"
    printf '\x5a' | dd of="$D-wal" bs=1 seek=5000 conv=notrunc 2>/dev/null
    run ! chipqd
    [[ $output == *"$D is damaged: "*"restore a backup: chipqd --restore FILE"* ]]
    cmp "$CHIPQ_DIR/whole.db" "$D"

    # Of another instance.
    OLD=$(mktemp -d "${TMPDIR:-/tmp}/cq.XXXXXX")
    chipqd --dir "$OLD" --init
    rm "$D-wal"
    cp "$OLD/db/chipq.db" "$D"
    run ! chipqd
    [[ $output == *"is of another instance"* ]]

    # A changed byte inside a record of the database file.
    cp "$CHIPQ_DIR/whole.db" "$D"
    printf '\x5a' | dd of="$D" bs=1 seek=8190 conv=notrunc 2>/dev/null
    run ! chipqd
    [[ $output == *"$D is damaged: "*"restore a backup: chipqd --restore FILE"* ]]

    rm "$D"
    run -3 chipqd
    [[ $output == *"$D is missing; put it back, or restore a backup: chipqd --restore FILE"* ]]
    run ! chipqd --init
    [[ $output == *"chipqd --restore FILE"* ]]
    cp "$CHIPQ_DIR/whole.db" "$D"
    cp "$CHIPQ_DIR/whole.wal" "$D-wal"
    pool_up
    [ "$(field 2 state)" = held ]
}
