#!/usr/bin/env bats
# Two enterprises on one pool: neither learns anything of the other.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
    ACME=$(pool_as acme/ann designer)
    BOB=$(pool_as acme/bob designer)
    BOSS=$(pool_as acme/boss admin)
    RIVAL=$(pool_as rival/eve admin)
    export ACME BOB BOSS RIVAL ADMIN=$CHIPQ_DIR/keys/admin.key
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

@test "job numbers are per enterprise" {
    run -0 chipq --key "$ACME" submit --wait -- true
    run -0 --separate-stderr chipq --key "$RIVAL" submit -- true
    [ "$output" = 1 ]
}

@test "another enterprise's job is no such job, in the same words as one that does not exist" {
    secret=$(chipq --key "$ACME" submit --name secret-chip -- true)
    chipq --key "$ACME" wait "$secret"
    for command in job why logs cancel; do
        run -3 chipq --key "$RIVAL" $command acme/$secret
        theirs=$(sed "s|acme/$secret|JOB|; s|job $secret:|job N:|" <<<"$output")
        [[ $theirs == *"no such job"* && $theirs != *secret* ]]
        for nothing in acme/999999 nobody/999999; do
            run -3 chipq --key "$RIVAL" $command $nothing
            [ "$theirs" = "$(sed "s|$nothing|JOB|; s|job 999999:|job N:|" <<<"$output")" ]
        done
    done
    run -0 chipq --key "$RIVAL" jobs --json
    [[ $output != *secret* && $output != *acme* ]]
}

@test "a colleague sees the job but may not cancel it; the enterprise's admin may" {
    job=$(chipq --key "$ACME" submit --hold -- true)
    run -0 chipq --key "$BOB" job "$job"
    run -3 chipq --key "$BOB" cancel "$job"
    [[ $output == *"belongs to ann"* ]]
    run -0 chipq --key "$BOSS" cancel "$job"
}

@test "the platform admin stops jobs but sees no names" {
    job=$(chipq --key "$ACME" submit --hold --name secret-chip -- /bin/echo hush)
    run -0 chipq --key "$ADMIN" job "acme/$job" --json
    [[ $output != *secret* && $output != *hush* ]]
    behind=$(chipq --key "$ACME" submit --after "$job" -- /bin/echo hush)
    run -0 chipq --key "$ADMIN" why "acme/$behind"
    [[ $output != *secret* && $output == *"a job that it depends on has not ended"* ]]
    run -0 chipq --key "$ACME" why "$behind"
    [[ $output == *secret-chip* ]]
    chipq --key "$ACME" cancel "$behind"
    run chipq --key "$ADMIN" logs "acme/$job"
    [ "$status" = 3 ]
    run -0 chipq --key "$ADMIN" cancel "acme/$job"
    run -3 chipq --key "$ADMIN" submit -- true
}

@test "only the right admins change users and nodes" {
    node=$(chipq nodes --json | json nodes.0.name)
    run -3 chipq --key "$BOSS" node drain "$node"
    run -3 chipq --key "$ACME" admin user add acme/mallory --role admin --key-out "$BATS_TEST_TMPDIR/k1"
    run -3 chipq --key "$BOSS" admin user add rival/mallory --role admin --key-out "$BATS_TEST_TMPDIR/k2"
    run -0 chipq --key "$BOSS" admin user add acme/carl --role designer --key-out "$BATS_TEST_TMPDIR/k4"
    run -0 chipq --key "$BATS_TEST_TMPDIR/k4" submit --wait -- true
}

@test "a revoked key gets nothing from that moment on" {
    key=$(pool_as acme/leaver designer)
    run -0 chipq --key "$key" jobs
    run -0 chipq --key "$BOSS" admin user revoke acme/leaver
    run chipq --key "$key" jobs
    [ "$status" -ne 0 ]
}
