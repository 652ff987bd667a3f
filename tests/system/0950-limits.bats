#!/usr/bin/env bats
# Limits, guarantees, licences and budgets on a real pool, each seen at work through the command line; and that what
# `chipq why` advises starts the job.
# alone: it measures what each got of the processors
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_dir
    echo 'reclaim-grace = 300ms' >"$CHIPQ_DIR/chipq.conf"
    pool_up
    export ADMIN=$CHIPQ_DIR/keys/admin.key
    for name in acme bolt; do
        pool_as "$name/dan" designer >/dev/null
        pool_as "$name/ada" admin >/dev/null
    done
    admin admin project add acme/uart
    admin admin user set acme/uart/dan --weight 1
    admin admin export >"$CHIPQ_DIR/base.yaml"
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

setup() {
    mkfifo "$BATS_TEST_TMPDIR/said" "$BATS_TEST_TMPDIR/go"
    exec 7<>"$BATS_TEST_TMPDIR/said" 6<>"$BATS_TEST_TMPDIR/go"
}

teardown() { # a test that failed leaves nothing to the next
    local who name
    exec 7>&- 6>&-
    for who in acme/dan bolt/dan canary/tweety; do
        [ -e "$CHIPQ_DIR/${who/\//-}.key" ] || continue
        as "$who" jobs --live --jsonl | sed -n 's/.*"number": *\([0-9]*\).*/\1/p' | xargs -r chipq --key \
            "$CHIPQ_DIR/${who/\//-}.key" cancel >/dev/null 2>&1 || true
    done
    for name in acme/tapeout bolt/emu canary/cage; do
        admin reservation delete $name >/dev/null 2>&1 || true
    done
    admin admin apply "$CHIPQ_DIR/base.yaml" --prune --yes >/dev/null 2>&1 || true
}

admin() { chipq --key "$ADMIN" "$@"; }
as() { # as ENTERPRISE/USER COMMAND...
    local key=$CHIPQ_DIR/${1/\//-}.key
    shift
    chipq --key "$key" "$@"
}

# stay ENTERPRISE/USER [SUBMIT OPTION...]: a job that says its number when it runs and ends when `let_go` is called.
stay() {
    local who=$1
    shift
    as "$who" submit --mem 64M "$@" -- sh -c 'echo "$CHIPQ_JOB" >"$1"; read -r _ <"$2"' sh "$BATS_TEST_TMPDIR/said" \
        "$BATS_TEST_TMPDIR/go"
}
heard_of() { # heard_of JOB: the next that says it runs is this one
    local line
    IFS= read -r -t 60 line <&7
    [ "$line" = "$1" ]
}
let_go() { echo >&6; } # one of them

# until_is WANTED COMMAND...: looks again until it prints that; at most a minute.
until_is() {
    local wanted=$1 end=$((SECONDS + 60)) got
    shift
    while got=$("$@") || true; do
        # shellcheck disable=SC2053
        [[ $got == $wanted ]] && return 0
        ((SECONDS < end)) || break
    done
    echo "$*: '$got', not '$wanted'" >&2
    return 1
}
later() { date -d "+$*" +%Y-%m-%dT%H:%M; } # local time, as bookings take it
running() { as "$1" job "$2" --json | json tasks_running; } # running ENTERPRISE/USER JOB
feature() { # feature NAME KEY
    admin licence list --all --json 2>/dev/null | python3 -c 'import json,sys
print(*[r[sys.argv[2]] for r in json.load(sys.stdin)["licences"] if r["name"] == sys.argv[1]])' "$@"
}
reason() { # reason ENTERPRISE/USER JOB KEY: of the deciding reason
    as "$1" why "$2" --json | json "reasons.0.$3"
}
ends() { # ends ENTERPRISE/USER JOB...: well
    local who=$1
    shift
    as "$who" wait "$@" --timeout 60s
}

@test "max-cores of an enterprise, a project, a user: why has the numbers, and its advice starts the job" {
    for path in acme acme/uart acme/uart/dan; do
        kind=$(awk -F/ '{print $3 ? "user" : $2 ? "project" : "enterprise"}' <<<"$path")
        run -0 admin admin $kind set $path --max-cores 1
        one=$(stay acme/dan --project uart)
        heard_of "$one"
        two=$(as acme/dan submit --project uart --mem 64M -- true)
        [ "$(reason acme/dan "$two" code)" = WAIT_LIMIT ]
        [ "$(reason acme/dan "$two" text)" = "max-cores of $path is 1; 1 in use, it needs 1" ]
        [ "$(reason acme/dan "$two" advice)" = "with max-cores of $path at 2 it would start now" ]
        run -0 admin admin $kind set $path --max-cores 2
        run -0 ends acme/dan "$two"
        [ "$(as acme/dan job "$one" --json | json state)" = running ]
        run -0 admin admin $kind set $path --max-cores none
        let_go
        run -0 ends acme/dan "$one"
    done
}

@test "at its cap a company is not underserved: share names the limit, quota what is borrowed of it" {
    run -0 admin admin enterprise set acme --min-cores 1 --borrow-cores 0 --lend-cores 0
    one=$(stay acme/dan)
    heard_of "$one"
    two=$(stay acme/dan)
    run -0 --separate-stderr as acme/dan share acme --json
    [ "$(json shares.0.limit <<<"$output")" = borrow-cores ]
    run -0 admin admin enterprise set acme --max-cores 1
    run -0 as acme/dan share acme
    [[ $output == *"AT LIMIT"*acme*max-cores* ]]
    run -0 admin admin enterprise set acme --max-cores none --borrow-cores 1
    heard_of "$two"
    run -0 as acme/dan quota acme --format key,limit,used,state
    [[ $output =~ borrow-cores\ +1\ +1\ +reached ]]
    [[ $output =~ lend-cores\ +0 ]]
    run -0 --separate-stderr as acme/dan share acme --json
    [ -z "$(json shares.0.limit <<<"$output")" ] # nothing waits
    let_go
    let_go
    run -0 ends acme/dan "$one" "$two"
}

@test "max-running and max-mem hold in the same way" {
    run -0 admin admin project set acme/uart --max-running 1
    one=$(stay acme/dan --project uart)
    heard_of "$one"
    two=$(as acme/dan submit --project uart --mem 64M -- true)
    [ "$(reason acme/dan "$two" text)" = "max-running of acme/uart is 1; 1 in use, it needs 1" ]
    run -0 admin admin project set acme/uart --max-running none
    run -0 ends acme/dan "$two"
    run -0 admin admin project set acme/uart --max-mem 100M
    three=$(as acme/dan submit --project uart --mem 64M -- true)
    [[ $(reason acme/dan "$three" text) == "max-mem of acme/uart is 100M; 64M in use, it needs 64M" ]]
    let_go
    run -0 ends acme/dan "$one" "$three"
    run -0 admin admin project set acme/uart --max-mem none
}

@test "a cap set below what is in use: said so, nothing is stopped, an array shrinks to it" {
    many=$(stay acme/dan --array 1-200) # more than a lease queues ahead
    heard_of "$many"
    heard_of "$many"
    run -0 admin admin enterprise set acme --max-cores 1
    [[ $output == *"max-cores 1 is below the 2 in use now: nothing new starts until it falls"* ]]
    run -0 as acme/dan quota acme --format key,used,state
    [[ $output == *max-cores*2*reached* ]]
    let_go
    let_go
    heard_of "$many" # one of two goes on
    run -0 --separate-stderr as acme/dan share acme --json
    [ "$(json shares.0.tasks_running <<<"$output")" = 1 ]
    [ "$(json shares.0.cores_used <<<"$output")" = 1 ]
    [ "$(reason acme/dan "$many" text)" = "max-cores of acme is 1; 1 in use, it needs 1" ]
    run -0 admin admin enterprise set acme --max-cores none
    heard_of "$many" # at once
    run -0 as acme/dan cancel "$many"
}

@test "a guarantee takes back what it lent: the preemptible one is called back and runs again" {
    run -0 admin admin enterprise set acme --min-cores 1
    lent=$(stay bolt/dan --array 1-2 --preemptible)
    heard_of "$lent"
    heard_of "$lent"
    taker=$(stay acme/dan)
    heard_of "$taker"
    run -0 --separate-stderr as bolt/dan job "$lent" --json
    [ "$(json tasks_running <<<"$output")$(json tasks_waiting <<<"$output")" = 11 ]
    [ "$(json earlier.0.cause <<<"$output")" = "called back: what it had is another's guarantee" ]
    [ "$(json earlier.0.verdict <<<"$output")" = killed ]
    [[ $output != *acme* ]]
    victim=$(json earlier.0.task <<<"$output")
    let_go
    let_go # the taker and the one that stayed, in any order; then there is room
    heard_of "$lent"
    let_go
    run -0 ends acme/dan "$taker"
    run -0 ends bolt/dan "$lent"
    run -0 --separate-stderr as bolt/dan job "$lent[$victim]" --json
    [ "$(json task_list.0.attempt <<<"$output")" = 2 ]
    [ "$(json task_list.0.verdict <<<"$output")" = pass ]
    run -0 as bolt/dan job "$lent"
    [[ $output == *"earlier attempts"*"called back"* ]]
    run -0 admin admin enterprise set acme --min-cores none
}

@test "what is kept for a guarantee: why says how to borrow, and both ways start the job" {
    run -0 admin admin enterprise set acme --min-cores 1 --lend-cores 1
    one=$(stay bolt/dan --time 2h)
    heard_of "$one"
    two=$(as bolt/dan submit --time 2h --mem 64M -- true)
    [ "$(reason bolt/dan "$two" code)" = WAIT_GUARANTEE ]
    [[ $(reason bolt/dan "$two" text) != *acme* ]]
    [ "$(reason bolt/dan "$two" advice)" = "with --preemptible it would start now" ]
    three=$(as bolt/dan submit --time 15m --mem 64M -- true)
    run -0 ends bolt/dan "$three"
    three=$(as bolt/dan submit --time 2h --mem 64M --preemptible -- true)
    run -0 ends bolt/dan "$three"
    run -0 admin admin enterprise set acme --lend-cores 0
    three=$(as bolt/dan submit --time 2h --mem 64M --preemptible -- true)
    [ "$(reason bolt/dan "$three" code)" = WAIT_GUARANTEE ]
    [ "$(reason bolt/dan "$three" advice)" = "it goes on when running jobs end" ]
    run -0 admin admin enterprise set acme --min-cores none --lend-cores none
    run -0 ends bolt/dan "$two" "$three"
    let_go
    run -0 ends bolt/dan "$one"
}

@test "a new guarantee that lends nothing: a long array of others leaves it as its tasks end" {
    many=$(stay bolt/dan --array 1-200 --time 2h)
    heard_of "$many"
    heard_of "$many"
    run -0 admin admin enterprise set acme --min-cores 1 --lend-cores 0
    let_go
    let_go
    heard_of "$many"
    [ "$(reason bolt/dan "$many" code)" = WAIT_GUARANTEE ]
    run -0 --separate-stderr as bolt/dan share bolt --json
    [ "$(json shares.0.cores_used <<<"$output")" = 1 ]
    one=$(stay acme/dan)
    heard_of "$one" # without anything else that ends
    run -0 as bolt/dan cancel "$many"
    run -1 as bolt/dan wait "$many" --timeout 20s # or its last task takes the word
    let_go
    run -0 ends acme/dan "$one"
}

# bats test_tags=P10
@test "one token, two jobs: one after the other, also across companies; a lowered count holds back" {
    run -0 admin licence set vcs 1
    one=$(stay acme/dan --licence vcs:1)
    heard_of "$one"
    two=$(stay bolt/dan --licence vcs:1)
    [ "$(reason bolt/dan "$two" code)" = WAIT_LICENCE ]
    [ "$(reason bolt/dan "$two" text)" = "it asks 1 of vcs; 0 of 1 free" ]
    let_go
    heard_of "$two"
    run -0 ends acme/dan "$one"
    let_go
    run -0 ends bolt/dan "$two"
    run -0 python3 -c 'import json,sys
one, two = map(json.loads, sys.argv[1:])
assert one["end_us"] <= two["start_us"], (one["end_us"], two["start_us"])' \
        "$(as acme/dan job "$one" --json)" "$(as bolt/dan job "$two" --json)"

    many=$(stay acme/dan --licence vcs:1 --array 1-3)
    heard_of "$many"
    run -0 admin licence set vcs 0
    let_go
    until_is 0 running acme/dan "$many"
    [ "$(reason acme/dan "$many" text)" = "it asks 1 of vcs; 0 of 0 free" ]
    run -0 admin licence set vcs 2
    heard_of "$many"
    heard_of "$many"
    let_go
    let_go
    run -0 ends acme/dan "$many"
}

@test "misspelt and others' features: the same answer, with a hint among one's own" {
    run -0 admin licence set vcs 1
    run -0 admin licence set dc-ultra 2 --owner acme
    run -3 as bolt/dan submit --licence vsc:1 -- true
    [[ $output == *"did you mean vcs?"* ]]
    run -3 as acme/dan submit --licence dc-ultar:1 -- true
    [[ $output == *"did you mean dc-ultra?"* ]]
    run -3 as bolt/dan submit --licence dc-ultar:1 -- true
    [[ $output != *dc-ultra[^r]* && $output != *"dc-ultra?"* ]]
    run -3 as bolt/dan submit --licence dc-ultra:1 -- true
    [[ $output == *"no licence feature 'dc-ultra'"* ]]
    run -0 as bolt/dan licences --json
    [[ $output != *dc-ultra* ]]
    job=$(as acme/dan submit --licence dc-ultra:2 -- true)
    run -0 ends acme/dan "$job"
    run -0 admin licence remove dc-ultra
}

# fed TEXT: what the feed says from now on.
fed() {
    printf '%s\n' "$1" >"$CHIPQ_DIR/says.new"
    mv "$CHIPQ_DIR/says.new" "$CHIPQ_DIR/says"
}
@test "the feed: strangers' tokens are gone at once; a bad word leaves the last good one, and is shown" {
    printf '#!/bin/sh\nread -r text <"%s"; [ "$text" != hang ] || exec sleep 1000; echo "$text"\n' "$CHIPQ_DIR/says" \
        >"$CHIPQ_DIR/feed"
    chmod +x "$CHIPQ_DIR/feed"
    run -0 admin licence set vcs 1
    fed "vcs 1"
    run -0 admin licence feed "$CHIPQ_DIR/feed" --every 1s
    until_is 1 feature vcs external
    job=$(as acme/dan submit --licence vcs:1 -- true)
    [ "$(reason acme/dan "$job" code)" = WAIT_LICENCE ]
    [ "$(reason acme/dan "$job" text)" = "it asks 1 of vcs; 0 of 1 free" ]
    for word in "vcs -2" "no such thing" "vcs 1 2" "vcs 9999999999" "" hang; do
        fed "vcs 1"
        until_is "" feature vcs feed_error
        fed "$word"
        until_is "?*" feature vcs feed_error
        [ "$(feature vcs external)" = 1 ]
        run -0 admin licence list --all
        [[ $output == *"licence feed: "*"(the numbers are of SERVER ASKED)"* ]]
        [ "$(as acme/dan job "$job" --json | json state)" = pending ]
    done
    [[ $(feature vcs feed_error) == *"did not end within"* ]]
    fed "vcs 0"
    run -0 ends acme/dan "$job"
    until_is "" feature vcs feed_error
    run -0 admin licence feed --none
}

@test "a budget: held in full while a job runs, spent as it ran; numbers in why; a shorter --time starts" {
    run -0 admin admin enterprise set bolt --budget 0.02core-hours/year # 72 core-seconds
    one=$(stay bolt/dan --time 60s)
    heard_of "$one"
    two=$(as bolt/dan submit --time 60s --mem 64M -- true)
    [ "$(reason bolt/dan "$two" code)" = WAIT_BUDGET ]
    [ "$(reason bolt/dan "$two" text)" = \
        "budget of bolt is 0.02 core-hours; 0 core-hours spent, 0.0167 core-hours held by running jobs, it needs 0.0167 core-hours" ]
    run -0 as bolt/dan quota bolt --format key,used
    [[ $output == *"0core-hours, 0.0167 held"* ]]
    run -0 --separate-stderr admin admin enterprise set bolt --budget 0.01core-hours/year # below what is held: the figures
    [[ $stderr == *"budget 0.01core-hours/year is below the 0.0167 core-hours used now, 0 spent and 0.0167 held: nothing new starts before running jobs end, or the next period" ]]
    run -0 admin admin enterprise set bolt --budget 0.02core-hours/year
    short=$(as bolt/dan submit --time 10s --mem 64M -- true)
    run -0 ends bolt/dan "$short"
    [ "$(as bolt/dan job "$two" --json | json state)" = pending ]
    let_go
    run -0 ends bolt/dan "$one" "$two" # the first used far less than its minute
    run -0 as bolt/dan quota bolt --format key,used
    [[ $output != *"0.0167 held"* && $output == *"core-hours, 0 held"* ]]
    big=$(as bolt/dan submit --cores 2 --time 10m --mem 64M -- true)
    [ "$(reason bolt/dan "$big" code)" = WAIT_BUDGET ]
    [[ $(reason bolt/dan "$big" text) == "budget of bolt is 0.02 core-hours;"*"it needs 0.3333 core-hours" ]]
    run -0 as bolt/dan cancel "$big"
    run -0 admin admin enterprise set bolt --budget none
}

@test "submits over a limit: exit 4, which limit, what to do; nothing is queued" {
    run -0 admin admin enterprise set bolt --max-pending 5 --max-wall 1h
    run -4 as bolt/dan submit --time 2h -- true
    [[ $output == *"it asks 2h 00m, and max-wall of bolt is 1h 00m; ask for less with --time"* ]]
    run -4 as bolt/dan submit -- true # the default limit is over it as well
    [[ $output == *max-wall* ]]
    run -4 as bolt/dan submit --time 1m --array 1-6 --hold -- true
    [[ $output == *"max-pending of bolt is 5 tasks, 0 wait already and this adds 6"* ]]
    five=$(as bolt/dan submit --time 1m --array 1-5 --hold -- true)
    run -4 as bolt/dan submit --time 1m --hold -- true
    [[ $output == *"max-pending of bolt is 5 tasks, 5 wait already and this adds 1"* ]]
    run -4 --separate-stderr as bolt/dan submit --time 1m --hold --json -- true
    [[ $output == *max-pending* ]]
    run -0 as bolt/dan jobs --state pending --jsonl
    [ "$(wc -l <<<"$output")" = 1 ]
    run -0 as bolt/dan cancel "$five"
    run -0 admin admin enterprise set bolt --max-pending none --max-wall none --max-submit-rate 1
    from=${EPOCHREALTIME/[.,]/} accepted=0
    fill_burst() {
        for _ in $(seq 40); do # a burst of five, then one a second
            run as bolt/dan submit --hold -- true
            [ "$status" = 0 ] || break
            accepted=$((accepted + 1))
        done
        [ "$status" = 4 ]
        [[ $output == *"max-submit-rate of bolt is 1 jobs a second (5 in a burst); try again in a moment"* ]]
    }
    fill_burst
    kill -9 "$(pool_pid chipqd)" # the burst is not full again after a restart
    run -0 chipq up
    fill_burst
    ((accepted <= 6 + (${EPOCHREALTIME/[.,]/} - from) / 1000000))
    run -0 admin admin enterprise set bolt --max-submit-rate none
    run -0 as bolt/dan submit --hold -- true
    held=$(as bolt/dan jobs --state held --jsonl | python3 -c 'import json,sys
for line in sys.stdin: print(json.loads(line)["number"])')
    # shellcheck disable=SC2086
    run -0 as bolt/dan cancel $held
}

books() { # books DIR: what people see of the configuration and what was used, into files there
    mkdir -p "$1"
    admin share --all --json >"$1/share"
    admin quota --all --json >"$1/quota"
    admin usage --all --by project --csv >"$1/usage"
    admin admin export >"$1/export"
    admin reservation list --all --json >"$1/reservations"
}

@test "one file with all of it: applied, read back, and the same after kill -9: shares, usage, budgets" {
    cat >"$CHIPQ_DIR/all.yaml" <<YAML
enterprises:
  acme:
    weight: 3
    max-cores: 2
    budget: 10core-hours/month
    projects: {uart: {weight: 2, max-running: 1, users: {dan: {max-cores: 1}}}}
  bolt: {weight: 2, min-cores: 1, lend-cores: 1, max-wall: 2h, max-pending: 50, max-submit-rate: 20, max-licence: {vcs: 1}}
licences: {vcs: 2, dc: {count: 1, owner: acme}}
instruments: {palladium: {count: 8}}
licence-feed: {command: "/bin/echo vcs 1", every: 1h}
YAML
    run -0 admin admin apply "$CHIPQ_DIR/all.yaml" --yes
    run -0 --separate-stderr admin admin apply "$CHIPQ_DIR/all.yaml" --yes
    [ "$output" = "no changes" ]
    a=$(as acme/dan submit --project uart --time 10m --mem 64M --array 1-5 -- sh -c 'sleep 0.2')
    b=$(as bolt/dan submit --time 10m --mem 64M --licence vcs:1 -- sh -c 'sleep 0.2')
    run -0 ends acme/dan "$a"
    run -0 ends bolt/dan "$b"
    run -0 as bolt/ada reservation create emu --for bolt --start "$(later 20 days)" --for-hours 1 --instrument palladium:4
    until_is 1 feature vcs external
    books "$CHIPQ_DIR/before"
    grep -q '"0.000[1-9]*core-hours, 0 held"' "$CHIPQ_DIR/before/quota"
    pid=$(pool_pid chipqd)
    kill -9 "$pid"
    wait_gone "$pid"
    run -0 chipq up
    books "$CHIPQ_DIR/after"
    diff -r "$CHIPQ_DIR/before" "$CHIPQ_DIR/after"
    run -0 --separate-stderr admin admin apply "$CHIPQ_DIR/before/export" --prune --yes
    [ "$output" = "no changes" ]
    run -0 as bolt/ada reservation delete emu
    # What was configured still decides.
    run -4 as bolt/dan submit --time 3h -- true
    one=$(stay acme/dan --project uart --time 10m)
    heard_of "$one"
    two=$(as acme/dan submit --project uart --time 10m --mem 64M -- true)
    [ "$(reason acme/dan "$two" text)" = "max-running of acme/uart is 1; 1 in use, it needs 1" ]
    let_go
    run -0 ends acme/dan "$one" "$two"
}

@test "advice of cores, of memory and of a limit, followed to the letter, starts the job" {
    one=$(stay bolt/dan --mem 512M)
    heard_of "$one"
    wide=$(as acme/dan submit --cores 2 --mem 64M -- true)
    [ "$(reason acme/dan "$wide" code)" = WAIT_CAPACITY ]
    advice=$(reason acme/dan "$wide" advice)
    [ "$advice" = "with --cores 1 it would start now" ]
    run -0 as acme/dan cancel "$wide"
    wide=$(as acme/dan submit --cores 1 --mem 64M -- true)
    run -0 ends acme/dan "$wide"
    large=$(as acme/dan submit --mem 1800M -- true)
    advice=$(reason acme/dan "$large" advice)
    [[ $advice == "with --mem "*" it would start now" ]]
    mem=${advice#with --mem }
    run -0 as acme/dan cancel "$large"
    large=$(as acme/dan submit --mem "${mem%% *}" -- true)
    run -0 ends acme/dan "$large"
    run -0 as acme/dan job "$large"
    [ "$(as bolt/dan job "$one" --json | json state)" = running ]
    let_go
    run -0 ends bolt/dan "$one"
}

@test "a booking: a shorter --time fits before it, and starts" {
    run -0 as acme/ada reservation create tapeout --for acme --start "$(later 90 minutes)" --for-hours 1 --cores 2
    long=$(as bolt/dan submit --time 8h --mem 64M -- true)
    [ "$(reason bolt/dan "$long" code)" = WAIT_BOOKED ]
    advice=$(reason bolt/dan "$long" advice)
    [[ $advice == "with --time "*" it would start now" ]]
    time=${advice#with --time }
    short=$(as bolt/dan submit --time "${time% it would*}" --mem 64M -- true)
    run -0 ends bolt/dan "$short"
    run -0 as acme/ada reservation delete tapeout
    run -0 ends bolt/dan "$long"
}

@test "guarantees that do not fit are refused: above the pool's, below what children have; removing what runs" {
    run -2 admin admin enterprise set acme --min-cores 2
    [[ $output == *min-cores* ]]
    run -0 admin admin enterprise set acme --min-cores 1
    run -2 admin admin project set acme/uart --min-cores 2
    [[ $output == *"acme: min-cores of its projects add up to 2, above its own min-cores 1"* ]]
    run -2 admin admin enterprise set bolt --min-cores 1
    [[ $output == *min-cores* ]]
    one=$(stay acme/dan)
    heard_of "$one"
    run -7 admin admin enterprise remove acme
    [[ $output == *"acme has 1 running and 0 waiting jobs: cancel them first, or wait: chipq jobs --enterprise acme --live"* ]]
    run -0 chipq jobs --enterprise acme --live # as it says, with the admin's key by itself
    [[ $output == *running* ]]
    [[ $output == *"(hidden)"*"(hidden)"* ]]
    number=$(chipq jobs --enterprise acme --live --json | json jobs.0.number)
    run -0 chipq why "acme/$number"
    [[ $output == "job $number (hidden) is "* ]]
    run -0 chipq jobs "acme/1-$number"
    run -3 chipq --key "$CHIPQ_DIR/keys/user.key" jobs --enterprise acme # who says with which key means it
    mv "$ADMIN" "$BATS_TEST_TMPDIR/admin.key" # whoever cannot use that key gets the answer of the own one
    install -m 600 /dev/null "$ADMIN"
    run -3 chipq jobs --enterprise acme
    mv "$BATS_TEST_TMPDIR/admin.key" "$ADMIN"
    let_go
    run -0 ends acme/dan "$one"
}

@test "nothing that one company is told names another, its people, projects, jobs, tools or bookings" {
    pool_as canary/tweety designer >/dev/null
    pool_as canary/sylvester admin >/dev/null
    run -0 admin licence set birdseed 2 --owner canary
    run -0 admin licence set vcs 1
    run -0 admin admin enterprise set canary --min-cores 1 --max-licence vcs:1
    run -0 as canary/sylvester reservation create cage --for canary --start "$(later 3 hours)"         --for-hours 1 --cores 2
    secret=$(stay canary/tweety --project feathers --name nestling --licence birdseed:1,vcs:1 --time 1h)
    heard_of "$secret"
    waits=("$(as bolt/dan submit --licence vcs:1 --time 10m --mem 64M -- true)"
        "$(as bolt/dan submit --cores 2 --time 10m --mem 64M -- true)"
        "$(as bolt/dan submit --cores 2 --time 20h --mem 64M -- true)"
        "$(as bolt/dan submit --time 20h --mem 64M -- true)")
    for who in bolt/dan bolt/ada; do
        for command in share quota usage "usage --by user" licences "reservation list" jobs nodes status "instrument list"             "why ${waits[0]}" "why ${waits[1]}" "why ${waits[2]}" "why ${waits[3]}" "job ${waits[0]}" "job ${waits[2]}"; do
            for form in "" --json; do
                # shellcheck disable=SC2086
                run -0 as "$who" $command $form
                [[ $output != *canary* && $output != *tweety* && $output != *sylvester* && $output != *feathers* ]]
                [[ $output != *nestling* && $output != *birdseed* && $output != *cage* ]]
            done
        done
        run as "$who" admin audit
        [[ $output != *canary* && $output != *tweety* && $output != *cage* && $output != *birdseed* ]]
    done
    let_go
    run -0 ends canary/tweety "$secret"
    run -0 as bolt/dan usage --by project --json
    [[ $output != *feathers* && $output != *canary* ]]
    run -0 as canary/sylvester reservation delete cage
}
