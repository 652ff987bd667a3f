#!/usr/bin/env bats
# chipq simulate --history: the past of a real pool, run again.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
    chipq submit --array 1-30 -- true >/dev/null
    chipq submit --cores 2 --project uart -- sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done' >/dev/null
    chipq wait 1 2
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

@test "what ran is run again: all of it, on a pool of the same size" {
    run -0 --separate-stderr chipq simulate --history --json
    [ "$(json jobs <<<"$output")" = 31 ]
    run -0 chipq simulate --history --write-tsv "$BATS_TEST_TMPDIR/w.tsv"
    grep -qE '"cores": ?2[,}]' "$BATS_TEST_TMPDIR/w.tsv"
    [ "$(grep -c uart "$BATS_TEST_TMPDIR/w.tsv")" = 1 ]
}

@test "it is the same every time" {
    a=$(chipq simulate --history --json)
    [ "$(chipq simulate --history --json)" = "$a" ]
}

@test "times and whose: nothing there is told as such" {
    run -0 --separate-stderr chipq simulate --history --from today --to today --enterprise local --json
    [ "$(json jobs <<<"$output")" = 31 ]
    run -3 chipq simulate --history --to 2020-01-01
    [[ $output == *"nothing ran"* ]]
    run -3 chipq simulate --history --enterprise nosuch
    run -2 chipq simulate --history --from 2020-02-30
    [[ $output == *"--from"* ]]
    run -2 chipq simulate --eda seed=1 --from today
    [[ $output == *"--history"* ]]
    run -2 chipq simulate --history --saturate
    [[ $output == *"choose one of"*"--history"* ]]
}

@test "a file of changes that is wrong is told with line and column" {
    printf 'enterprises:\n  local: {wieght: 2}\n' >"$BATS_TEST_TMPDIR/bad.yaml"
    run -2 chipq simulate --history --with "$BATS_TEST_TMPDIR/bad.yaml"
    [[ $output == *"bad.yaml:2:"*"nothing was simulated"* ]]
    run -3 chipq simulate --history --with "$BATS_TEST_TMPDIR/none.yaml"
    printf 'enterprises:\n  local: {max-cores: many}\n' >"$BATS_TEST_TMPDIR/bad.yaml" # wrong to the core
    run -2 --separate-stderr chipq simulate --history --with "$BATS_TEST_TMPDIR/bad.yaml" --json
    [[ $stderr == "chipq: $BATS_TEST_TMPDIR/bad.yaml:2:22: max-cores: 'many'"*"nothing was simulated" ]]
    [ "$(json error.code <<<"$output")" = INVALID ]
}

@test "with another limit than there was: what would have happened" {
    printf 'enterprises:\n  local: {max-cores: 1}\n' >"$BATS_TEST_TMPDIR/with.yaml"
    run -0 --separate-stderr chipq simulate --history --with "$BATS_TEST_TMPDIR/with.yaml" --csv "$BATS_TEST_TMPDIR/jobs.csv"
    [ "$(grep -c ",$" "$BATS_TEST_TMPDIR/jobs.csv")" = 1 ] # two cores never fit into one
    [[ ${lines[0]} =~ ^\ +before\ +after\ +difference$ ]]
    [[ $output =~ "jobs ended "\ +31\ +30\ +-1 ]]
    [[ $output =~ "jobs not ended "\ +0\ +1\ +"+1" ]]
    [[ $stderr == "chipq: after: 1 jobs did not end; "* ]]
    now=$(chipq simulate --history --json)
    run -0 --separate-stderr chipq simulate --history --with "$BATS_TEST_TMPDIR/with.yaml" --json
    [ "$(json before.jobs <<<"$output") $(json after.jobs <<<"$output")" = "31 30" ]
    [ "$(json before.mean_wait_seconds <<<"$output")" = "$(json mean_wait_seconds <<<"$now")" ]
}

@test "a tenant may not run the others' past" {
    run -0 --separate-stderr chipq --key "$CHIPQ_DIR/keys/user.key" simulate --history --json
    [ "$(json jobs <<<"$output")" = 31 ] # an enterprise's admin: its own
}

@test "an instance with instruments and licences is run again as it is configured" {
    printf 'licences: {vcs: 2}\ninstruments: {palladium: {count: 8}}\n' >"$BATS_TEST_TMPDIR/pool.yaml"
    chipq --key "$CHIPQ_DIR/keys/admin.key" admin apply "$BATS_TEST_TMPDIR/pool.yaml" --yes
    chipq submit --instrument palladium:4 --licence vcs:1 --wait -- true
    run -0 --separate-stderr chipq simulate --history --json
    [ "$(json jobs <<<"$output")" = 32 ]
}

@test "each company has its row: what was due, what it got, how long it waited" {
    ann=$(pool_as acme/ann designer)
    chipq --key "$CHIPQ_DIR/keys/admin.key" admin enterprise add idle >/dev/null
    chipq --key "$ann" submit --wait -- true
    run -0 --separate-stderr chipq simulate --history
    [[ $output == *"due %"*"got %"*"mean wait"* ]]
    [[ $output =~ acme\ +1\ +50\.00 ]]
    [[ $output =~ idle\ +1\ +-\ +-\ +-\ +0 ]] # it sent nothing: nothing was due
    printf 'enterprises:\n  acme: {weight: 3}\n' >"$BATS_TEST_TMPDIR/weights.yaml"
    run -0 --separate-stderr chipq simulate --history --with "$BATS_TEST_TMPDIR/weights.yaml"
    [[ $output =~ acme\ +50\.00\ +75\.00 ]]
    [ -z "$stderr" ]
}

@test "a company of the file that nobody knows is told, with what may have been meant" {
    printf 'enterprises:\n  acmee: {weight: 3}\n  local: {projects: {default: {users: {zed: {}}}}}\n' >"$BATS_TEST_TMPDIR/with.yaml"
    run -0 --separate-stderr chipq simulate --history --with "$BATS_TEST_TMPDIR/with.yaml"
    [[ $stderr == *"chipq: "*"with.yaml:2:3: there is no enterprise 'acmee' here (did you mean 'acme'?)"* ]]
    [[ $stderr == *"with.yaml:3:"*"no user 'local/default/zed'"*"left out"* ]]
}

@test "what was stopped at its time limit ran a little longer than that: it is run again, too" {
    run -1 chipq submit --wait --time 200ms --grace 200ms -- sh -c 'trap "" TERM; while :; do sleep 1; done'
    run -0 --separate-stderr chipq simulate --history --json
    [ "$(json jobs <<<"$output")" -ge 32 ]
}
