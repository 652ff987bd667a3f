#!/usr/bin/env bats
# Crowds at chipqd's doors and clients that take no part: what others ask is answered, and room comes back.
bats_require_minimum_version 1.5.0
load pool.bash
load network.bash

setup() {
    pool_dir
    chipqd --init
    echo 'listen-client = tcp://127.0.0.1:*' >"$CHIPQ_DIR/chipq.conf"
    export CHIPQ_HELPER=off
}

teardown() {
    exec 9>&- || true
    kill "$CHIPQD" && wait_gone "$CHIPQD"
    [ -n "${BATS_TEST_COMPLETED-}" ] || tail -n 20 "$CHIPQ_DIR/log/chipqd.log" >&2
    rm -rf "$CHIPQ_DIR"
}

crowd() { # crowd N [options]: they are there when it returns, until crowd_leaves; how many came: $CAME
    mkfifo "$CHIPQ_DIR/stay" "$CHIPQ_DIR/crowd"
    "$CHIPQ_ROOT/tests/fault/crowd" "127.0.0.1:$CLIENT_PORT" "$@" <"$CHIPQ_DIR/stay" >"$CHIPQ_DIR/crowd" 3>&- &
    CROWD=$!
    exec 9>"$CHIPQ_DIR/stay" 8<"$CHIPQ_DIR/crowd"
    read -r -t 60 _ CAME <&8
}

crowd_leaves() {
    exec 9>&-
    wait "$CROWD" || true
    rm "$CHIPQ_DIR/stay" "$CHIPQ_DIR/crowd"
}

n_open() {
    ls "/proc/$CHIPQD/fd" | wc -l
}

rss_kib() {
    sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$CHIPQD/status"
}

cpu_ticks() { # of chipqd, 100 a second
    sed 's/.*) //' "/proc/$CHIPQD/stat" | awk '{print $12 + $13}'
}

# Over TCP, as those in the crowd: with a connection of its own each.
submits() { # submits N: each is acknowledged
    local i
    for i in $(seq "$1"); do
        chipq --key "$ANN" submit --hold -- true
    done
}

start() {
    chipqd_up "$@"
    ANN=$(pool_as acme/ann designer --endpoint "tcp://127.0.0.1:$CLIENT_PORT")
}

flood_of() { # flood_of KIND
    start
    before=$(n_open)
    crowd 10000 --say "$1" --within 10
    [ "$CAME" = 10000 ]
    run -0 submits 5
    crowd_leaves
    timeout 20 sh -c 'while [ "$(ls "/proc/$1/fd" | wc -l)" -gt "$2" ]; do :; done' sh "$CHIPQD" $((before + 10))
    run -0 submits 1
}

# bats test_tags=P12
@test "10,000 silent connections: each submit is acknowledged, and the descriptors come back" {
    [ "$(ulimit -Hn)" -ge 12000 ] || skip "at most $(ulimit -Hn) files may be open here"
    flood_of silent
}

# bats test_tags=P12
@test "10,000 connections that say garbage: the same" {
    [ "$(ulimit -Hn)" -ge 12000 ] || skip "at most $(ulimit -Hn) files may be open here"
    flood_of garbage
}

# bats test_tags=P12
@test "10,000 connections that begin to shake hands and stop: the same" {
    [ -z "${CHIPQ_QUICK-}" ] || skip "left out by --quick"
    [ "$(ulimit -Hn)" -ge 12000 ] || skip "at most $(ulimit -Hn) files may be open here"
    flood_of half
}

# bats test_tags=P12
@test "out of descriptors: chipqd says so and does not spin, this machine's commands work, later all do" {
    start prlimit --nofile=200:200
    ticks=$(cpu_ticks)
    crowd 400 --refill --within 2
    for _ in 1 2 3; do # by the Unix socket, for which some are kept
        run -0 chipq --key "$CHIPQ_DIR/keys/user.key" submit --hold -- true
    done
    [ $(($(cpu_ticks) - ticks)) -lt 150 ] # 1.5 s; spinning, it was 2 s of every 2
    [ "$(n_open)" -le 190 ]
    says "$CHIPQ_DIR/log/chipqd.log" net.crowded
    crowd_leaves
    run -0 submits 3
}

# bats test_tags=P12,P13
@test "a client that watches, asks and never reads: bounded memory, others are answered, the end is told" {
    raw=$CHIPQ_BUILD/tests/raw-client
    [ -x "$raw" ] || skip "raw-client is not built"
    start
    job=$(chipq --key "$ANN" submit --hold -- true)
    submits 30 >/dev/null # an answer has about 10 KiB
    before=$(rss_kib)
    mkfifo "$CHIPQ_DIR/stay" "$CHIPQ_DIR/deaf"
    "$raw" "$ANN" - deaf "$job" 20000 <"$CHIPQ_DIR/stay" >"$CHIPQ_DIR/deaf" 3>&- &
    deaf=$!
    exec 9>"$CHIPQ_DIR/stay"
    [ "$(heard "$CHIPQ_DIR/deaf")" = deaf ]
    bob=$(pool_as acme/bob designer --endpoint "tcp://127.0.0.1:$CLIENT_PORT")
    for _ in 1 2 3 4 5 6 7 8 9 10; do # each change is told to each of the 100 watches
        chipq --key "$ANN" release "$job"
        chipq --key "$bob" submit --hold -- true
        chipq --key "$ANN" hold "$job"
    done
    says "$CHIPQ_DIR/log/chipqd.log" 'net.drop port=client .*does not read' # 4 MiB were kept for it
    grown=$(($(rss_kib) - before))
    echo "chipqd grew by $grown KiB"
    [ "$grown" -lt 65536 ]
    chipq --key "$bob" wait "$job" --timeout 20s 3>&- &
    waiter=$!
    chipq --key "$ANN" cancel "$job"
    wait "$waiter" || [ $? = 1 ]
    exec 9>&-
    wait "$deaf"
}

# times FILE: 100 submits of ann's, how long each took in microseconds, sorted
times() {
    local begun
    for _ in $(seq 100); do
        begun=${EPOCHREALTIME/./}
        chipq --key "$ANN" submit --hold -- true >/dev/null || return 1
        echo $((${EPOCHREALTIME/./} - begun))
    done | sort -n >"$1"
    [ "$(wc -l <"$1")" = 100 ]
}

# bats test_tags=P12
@test "one enterprise submits a million tasks and jobs as fast as it can: another's submits are acknowledged" {
    [ -x "$CHIPQ_BIN/chipq-bench" ] || skip "chipq-bench is not built"
    start
    unset CHIPQ_HELPER # one session, as in a loop of a user's
    admin=$CHIPQ_DIR/keys/admin.key
    eve=$(pool_as evil/eve designer)
    chipq --key "$admin" admin enterprise set evil --max-pending none --max-submit-rate none
    times "$CHIPQ_DIR/quiet"
    for _ in $(seq 10); do # an array has at most 100,000 tasks
        chipq --key "$eve" submit --array 1-100000 -- true
    done
    while chipq-bench submit --key "$eve" --jobs 20000 >>"$CHIPQ_DIR/bench"; do :; done 3>&- 2>/dev/null &
    flood=$!
    until chipq --key "$eve" jobs 11 >/dev/null 2>&1; do :; done # it has begun
    times "$CHIPQ_DIR/flooded"
    kill -0 "$flood" # and goes on
    kill "$flood"
    wait "$flood" || true
    for which in quiet flooded; do
        echo "$which: p50 $(sed -n 50p "$CHIPQ_DIR/$which") us, p99 $(sed -n 99p "$CHIPQ_DIR/$which") us"
    done
    chipq --key "$admin" jobs --enterprise evil --limit 1 --format number
    [ "$(chipq --key "$ANN" jobs --limit 1000 --jsonl | wc -l)" = 200 ]
}

# bats test_tags=P12
@test "each commit takes half a second: a submit is acknowledged before most of a flood that was there first" {
    raw=$CHIPQ_BUILD/tests/raw-client
    [ -x "$raw" ] || skip "raw-client is not built"
    chipqd --list-failpoints | grep -qx store.batch.before_commit || skip "failpoints are not compiled in"
    start env 'CQ_FAILPOINTS=store.batch.before_commit=delay(500)'
    eve=$(pool_as evil/eve designer --endpoint "tcp://127.0.0.1:$CLIENT_PORT")
    chipq --key "$CHIPQ_DIR/keys/admin.key" admin enterprise set evil --max-pending none --max-submit-rate none
    mkfifo "$CHIPQ_DIR/stay" "$CHIPQ_DIR/pour"
    "$raw" "$eve" - pour 5000 <"$CHIPQ_DIR/stay" >"$CHIPQ_DIR/pour" 3>&- &
    pour=$!
    exec 9>"$CHIPQ_DIR/stay" 8<"$CHIPQ_DIR/pour"
    read -r -t 20 line <&8
    [ "$line" = begun ]
    submits 1
    exec 9>&- # the flood counts what it was told until now
    read -r -t 20 line <&8
    echo "$line"
    wait "$pour"
    [[ "$line" == *" accepted, 0 refused"* ]]
    [ "${line%% *}" -lt 4000 ] # all at once they would be two transactions, the other's in the last
}
