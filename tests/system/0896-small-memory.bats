#!/usr/bin/env bats
# chipqd in a memory control group of 256 MiB without swap: one enterprise submits as much as it can.
# alone: it writes and reads as fast as it can for half a minute
bats_require_minimum_version 1.5.0
load pool.bash
load network.bash

setup() {
    RAW=${CHIPQ_BUILD:-$CHIPQ_BIN/..}/tests/raw-client
    [ -x "$RAW" ] || skip "raw-client is not built"
    ! grep -q asan <<<"$CHIPQ_BIN" || skip "AddressSanitizer's own memory counts"
    group_up
    pool_dir
    chipqd --init
    export CHIPQ_HELPER=off
    in_group
    EVE=$(pool_as evil/eve designer)
    admin enterprise set evil --max-pending none --max-submit-rate none
}

teardown() {
    [ -n "${GROUP-}" ] || return 0
    ! kill "$CHIPQD" 2>/dev/null || wait_gone "$CHIPQD"
    [ -n "${BATS_TEST_COMPLETED-}" ] || tail -n 20 "$CHIPQ_DIR/log/chipqd.log" >&2
    rm -rf "$CHIPQ_DIR"
    rmdir "$GROUP"
}

admin() {
    chipq --key "$CHIPQ_DIR/keys/admin.key" admin "$@"
}

group_up() { # cgroup v1, or v2 where its root gives memory to children
    local v1=/sys/fs/cgroup/memory v2=/sys/fs/cgroup
    if [ -f "$v1/memory.limit_in_bytes" ] && mkdir "$v1/cq-$$" 2>/dev/null; then
        GROUP=$v1/cq-$$
        echo 256M >"$GROUP/memory.limit_in_bytes"
        echo 0 >"$GROUP/memory.swappiness"
    elif grep -qw memory "$v2/cgroup.subtree_control" 2>/dev/null && mkdir "$v2/cq-$$" 2>/dev/null; then
        GROUP=$v2/cq-$$
        echo 256M >"$GROUP/memory.max"
        echo 0 >"$GROUP/memory.swap.max"
    else
        skip "no memory control group can be made here"
    fi
}

in_group() { # chipqd, with what it may have
    chipqd_up sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$GROUP"
}

fill() { # fill NAME N JOBS BYTES [ARRAY]: the numbers of what was accepted, and a last line
    local name=$1
    shift
    "$RAW" "$EVE" - fill "$@" >"$CHIPQ_DIR/fill.$name" 3>&- &
    FILLS="${FILLS-} $!"
}

acknowledged() { # into a file, sorted
    cat "$CHIPQ_DIR"/fill.* | grep -x '[0-9]*' | sort >"$CHIPQ_DIR/acknowledged"
    for file in "$CHIPQ_DIR"/fill.*; do
        echo "${file##*/}: $(tail -n 1 "$file")"
    done
    echo "$(wc -l <"$CHIPQ_DIR/acknowledged") jobs were acknowledged"
}

nothing_is_lost() {
    chipq --key "$EVE" jobs --limit 1000000 --format number | sed 1d | tr -d ' ' | sort >"$CHIPQ_DIR/there"
    [ -s "$CHIPQ_DIR/acknowledged" ]
    [ "$(comm -23 "$CHIPQ_DIR/acknowledged" "$CHIPQ_DIR/there" | wc -l)" = 0 ]
}

# bats test_tags=P1,P12
@test "jobs, arrays, requests of 1 MiB and questions that nobody reads: it lives in 256 MiB, refuses in clear words, and loses nothing" {
    fill arrays 300 1 60 1-100000
    fill small 300 1000 100
    fill large 120 4 250000
    mkfifo "$CHIPQ_DIR/stay" "$CHIPQ_DIR/deaf"
    exec 9<>"$CHIPQ_DIR/stay"
    "$RAW" "$EVE" - deaf 1 2000 <"$CHIPQ_DIR/stay" >"$CHIPQ_DIR/deaf" 3>&- 9>&- &
    deaf=$!
    [ "$(heard "$CHIPQ_DIR/deaf")" = deaf ]
    wait $FILLS
    acknowledged
    # Each tells its last refusal; that of one may have been that too much of it waits.
    cat "$CHIPQ_DIR"/fill.* |
        grep "refused, [0-9]* not answered: the scheduler's memory is nearly full: it uses [0-9]* MiB and may use 192 MiB"
    grep -q "memory.low" "$CHIPQ_DIR/log/chipqd.log"
    kill -0 "$CHIPQD"
    kill "$deaf"
    exec 9>&-
    nothing_is_lost
    kill "$CHIPQD" && wait_gone "$CHIPQD"
    in_group # what it held, it can load
    nothing_is_lost
    kill "$CHIPQD" && wait_gone "$CHIPQD"
    echo 'max-memory = 1G' >>"$CHIPQ_DIR/chipq.conf"
    chipqd_up
    run -0 chipq --key "$EVE" submit --hold -- true
}

# bats test_tags=P1
@test "requests of 1 MiB over sixteen connections: killed by the kernel, it comes back in 256 MiB and has all that was acknowledged" {
    for i in $(seq 16); do
        fill "$i" 40 4 250000
    done
    wait $FILLS
    acknowledged
    ! kill -9 "$CHIPQD" 2>/dev/null || echo "the kernel let it live"
    wait "$CHIPQD" || true
    in_group
    nothing_is_lost
}
