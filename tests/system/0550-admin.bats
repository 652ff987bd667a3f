#!/usr/bin/env bats
# Enterprises, shares, limits, licences and bookings, set up and seen through the command line: by the platform's
# admin, by an enterprise's, and by those who may not.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
    export ADMIN=$CHIPQ_DIR/keys/admin.key
    export F=$CHIPQ_DIR/pool.yaml
    for name in acme bolt; do
        pool_as "$name/dan" designer >/dev/null
        pool_as "$name/ada" admin >/dev/null
    done
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

admin() { chipq --key "$ADMIN" "$@"; }
as() { # as ENTERPRISE/USER COMMAND...
    local key=$CHIPQ_DIR/${1/\//-}.key
    shift
    chipq --key "$key" "$@"
}
changes() { json changes | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))'; }

@test "a new enterprise has the default limits, unless others are given" {
    run -0 --separate-stderr admin admin enterprise add corp --weight 2 --max-cores 64 --budget 5000core-hours/month
    run -0 --separate-stderr admin quota corp --json
    [[ $output == *'"max-pending"'*'"100000"'* ]]
    [[ $output == *'"max-submit-rate"'*'"200"'* ]]
    [[ $output == *'"max-cores"'*'"64"'* ]]
    [[ $output == *'"budget"'* ]]
    run -0 admin admin enterprise set corp --max-pending none --max-submit-rate 50
    run -0 --separate-stderr admin quota corp --json
    [[ $output != *'"max-pending"'* ]]
    [[ $output == *'"max-submit-rate"'*'"50"'* ]]
    run -7 admin admin enterprise add corp
    run -0 admin admin enterprise remove corp
    run -0 --separate-stderr admin admin enterprise list
    [[ $output != *corp* ]]
}

@test "projects and users are set one at a time" {
    run -0 admin admin project add acme/uart --weight 3
    run -7 admin admin project add acme/uart
    run -0 admin admin project set acme/uart --max-running 5
    run -0 admin admin user set acme/uart/dan --max-cores 1
    run -0 --separate-stderr admin quota acme/uart --json
    [[ $output == *'"max-running"'*'"5"'* && $output == *'"acme/uart/dan"'* ]]
    run -3 admin admin project set acme/uatr --weight 2
    [[ $output == *"did you mean"*uart* ]]
    run -3 admin admin user set acme/uart/nobody --weight 2
    run -3 admin admin user set acme/uatr/dan --weight 2 # makes no project by a slip
    [[ $output == *"no project 'uatr' in acme; did you mean uart?"* ]]
    run -0 admin admin user set acme/default/dan --weight 1 # which everybody has
    run -3 admin admin enterprise set acem --weight 2
    [[ $output == *"did you mean"*acme* ]]
}

@test "values that make no sense are refused with what is wrong" {
    for weight in 0 -1 nan inf 1e400 x ""; do
        run -2 admin admin enterprise set acme --weight="$weight"
        [[ $output == *weight* ]]
    done
    run -2 admin admin enterprise set acme --max-cores -3
    run -2 admin admin enterprise set acme --budget 5000
    run -2 admin admin enterprise set acme --max-mem 64Q
    run -3 admin admin enterprise set acme --max-licence nosuch:2
    run -2 admin admin enterprise set acme --min-cores 100000
    [[ $output == *min-cores* ]]
    run -2 admin admin enterprise set acme --weight x # the key once
    [ "$output" = "chipq: set enterprise acme: weight: 'x' is not a number" ]
    run -2 admin admin enterprise set acme --max-mem 1
    [[ $output == *"max-mem: '1' has no unit; write 1M or 1G" ]]
    run -0 admin licence set vcs 2
    run -2 admin admin enterprise set acme --max-licence vcs
    [[ $output == *"max-licence: how many of vcs? write vcs:N" ]]
    run -2 admin licence set vcs -1
    [[ $output == *"'-1' is taken for an option, and numbers below 0 are not taken"* ]]
    run -2 admin licence -- set vcs -1
    [[ $output == *"vcs: '-1' is not a whole number" ]]
}

@test "a count of none is a number, and comes back from its file; asking for more than all is said at once" {
    run -0 admin licence set vcs 0
    [[ $output == *"count 2 -> 0" ]]
    run -0 admin instrument set pal 1
    chipq admin export >"$F"
    run -0 admin admin apply "$F" --dry-run
    [[ $output == *"no changes"* ]]
    run -0 admin licence set vcs 2
    run -0 --separate-stderr as acme/dan submit --licence vcs:3 --hold -- true
    [ "$stderr" = "chipq: job true asks 3 of vcs; the pool has 2: it waits" ]
    run -0 --separate-stderr as acme/dan submit --instrument pal:2 --hold -- true
    [ "$stderr" = "chipq: job true asks 2 of pal; the pool has 1: it waits" ]
    run -3 as acme/dan submit --licence VCS:1 -- true
    [[ $output == *"did you mean vcs?"* ]]
    as acme/dan jobs --live --jsonl | sed -n 's/.*"number": *\([0-9]*\).*/\1/p' | xargs chipq --key "$CHIPQ_DIR/acme-dan.key" cancel
    run -0 admin licence remove vcs
    run -0 admin instrument remove pal
}

@test "a project that a submit makes is told, with the one that may have been meant" {
    run -0 --separate-stderr as acme/dan submit --hold --project uart -- true
    [ -z "$stderr" ]
    run -0 --separate-stderr as acme/dan submit --hold --project uatr -- true
    [ "$stderr" = "chipq: project 'uatr' is new: it was made now; did you mean 'uart'?" ]
    run -0 --separate-stderr as acme/dan submit --hold --project uatr -- true
    [ -z "$stderr" ]
    as acme/dan jobs --live --jsonl | sed -n 's/.*"number": *\([0-9]*\).*/\1/p' | xargs chipq --key "$CHIPQ_DIR/acme-dan.key" cancel
}

@test "--prune that may not remove says so" {
    one=$(as bolt/dan submit --hold -- true)
    printf 'enterprises:\n  acme: {}\n  local: {}\n' >"$F"
    run -7 admin admin apply "$F" --prune --yes
    [[ $output == "chipq: --prune: nothing was changed: remove enterprise bolt: bolt has 0 running and 1 waiting jobs"* ]]
    run -0 as bolt/dan cancel "$one"
}

@test "apply: shown as a dry run, then done at once, then no changes" {
    cat >"$F" <<YAML
enterprises:
  acme: {weight: 2, max-cores: 2, max-licence: {vcs: 4}, projects: {uart: {weight: 3, users: {dan: {max-cores: 1}}}}}
  bolt: {max-pending: 1000}
licences: {vcs: 12, dc: {count: 2, owner: acme}}
instruments: {palladium: {count: 8}}
YAML
    before=$(admin admin export)
    run -0 --separate-stderr admin admin apply "$F" --dry-run --json
    [ "$(json applied <<<"$output")" = false ]
    (($(changes <<<"$output") > 5))
    [ "$(admin admin export)" = "$before" ]
    run -0 --separate-stderr admin admin apply "$F" --json
    [ "$(json applied <<<"$output")" = true ]
    (($(changes <<<"$output") > 5))
    run -0 --separate-stderr admin admin apply "$F"
    [ "$output" = "no changes" ]
    run -0 --separate-stderr admin licences --all --json
    [ "$(json licences.0.name <<<"$output")$(json licences.1.name <<<"$output")" = dcvcs ]
    run -0 --separate-stderr admin instrument list --all --json
    [ "$(json instruments.0.count <<<"$output")" = 8 ]
}

@test "export reads back to no changes, and survives a restart" {
    admin admin export >"$CHIPQ_DIR/export.yaml"
    run -0 --separate-stderr admin admin apply "$CHIPQ_DIR/export.yaml" --prune
    [ "$output" = "no changes" ]
    chipq down
    chipq up --cores 2 --mem 2G
    [ "$(admin admin export)" = "$(cat "$CHIPQ_DIR/export.yaml")" ]
}

@test "apply: all or nothing, and what is wrong has its line and column" {
    before=$(admin admin export)
    printf 'enterprises:\n  acme: {weight: 7}\n  bolt:\n    weight: 0\n' >"$CHIPQ_DIR/bad.yaml"
    run -2 --separate-stderr admin admin apply "$CHIPQ_DIR/bad.yaml"
    [[ $stderr == *"bad.yaml:4:13: "*weight*"nothing was changed"* ]]
    printf 'enterprises:\n  acme: {weight: 7, max-licence: "nosuch:1"}\n' >"$CHIPQ_DIR/bad.yaml"
    run -3 --separate-stderr admin admin apply "$CHIPQ_DIR/bad.yaml"
    [[ $stderr == *"bad.yaml:2:34: "* ]]
    [ "$(admin admin export)" = "$before" ]
}

@test "what is not listed stays; --prune removes it" {
    admin licence set vc-old 3 >/dev/null
    printf 'licences: {vcs: 12}\n' >"$CHIPQ_DIR/part.yaml"
    run -0 --separate-stderr admin admin apply "$CHIPQ_DIR/part.yaml"
    [ "$output" = "no changes" ]
    admin admin export | sed '/vc-old:/,+1d' >"$CHIPQ_DIR/part.yaml" # with its count
    run -0 --separate-stderr admin admin apply "$CHIPQ_DIR/part.yaml" --prune
    [[ $output == *"- licence vc-old"* ]]
    run -0 admin licences --all
    [[ $output != *vc-old* ]]
}

@test "a designer sees its own shares and limits and changes nothing" {
    run -0 --separate-stderr as acme/dan share --json
    [[ $output == *'"acme/uart/dan"'* ]]
    run -0 --separate-stderr as acme/dan quota
    [[ $output == *max-cores* ]]
    run -3 as acme/dan admin export
    run -3 as acme/dan admin enterprise set acme --weight 9
    no=$output
    run -3 as acme/dan admin enterprise set bolt --weight 9
    [ "$output" = "$no" ]
    run -3 as acme/dan admin enterprise set nosuch --weight 9
    [ "$output" = "$no" ]
    run -3 as acme/dan admin project set acme/uart --weight 9
    run -3 as acme/dan licence set vcs 99
    run -3 as acme/dan licence remove vcs
    run -3 as acme/dan licence feed /bin/true
    run -3 as acme/dan admin apply "$F"
    run -3 as acme/dan reservation create r --for acme --start 2099-12-01T20:00 --for-hours 1 --cores 1
    run -0 as acme/dan share
}

@test "an enterprise's admin rules below its enterprise only" {
    run -0 as acme/ada admin project set acme/uart --weight 4
    run -0 as acme/ada admin user set acme/uart/dan --max-running 9
    run -3 as acme/ada admin enterprise set acme --weight 9
    [[ $output == *"platform admin"* ]]
    run -3 as acme/ada licence set vcs 99
    run -3 as acme/ada licence set dc 99
    run -3 as acme/ada licence feed /bin/true
    run -3 as acme/ada admin enterprise add mine
    run -3 as acme/ada admin enterprise remove acme
    as acme/ada admin export >"$CHIPQ_DIR/acme.yaml"
    grep -q uart "$CHIPQ_DIR/acme.yaml"
    ! grep -q -e bolt -e vcs -e pending "$CHIPQ_DIR/acme.yaml"
    run -0 --separate-stderr as acme/ada admin apply "$CHIPQ_DIR/acme.yaml"
    [ "$output" = "no changes" ]
    sed -i 's/weight: 4/weight: 5/' "$CHIPQ_DIR/acme.yaml"
    run -0 --separate-stderr as acme/ada admin apply "$CHIPQ_DIR/acme.yaml"
    [[ $output == *"acme/uart: weight 4 -> 5"* ]]
    run -0 admin admin export
    [[ $output == *"weight: 5"* ]]
}

@test "another enterprise is told apart from none by nothing" {
    admin admin project add bolt/tapeout-7nm --weight 2
    for verb in "project set NAME/tapeout-7nm --weight 3" "project add NAME/x" "project remove NAME/tapeout-7nm" \
                "user set NAME/tapeout-7nm/dan --max-cores 1" "enterprise set NAME --weight 2" "enterprise remove NAME"; do
        run -3 as acme/ada admin ${verb//NAME/bolt}
        theirs=$output
        run -3 as acme/ada admin ${verb//NAME/nosuch}
        [ "${theirs//bolt/X}" = "${output//nosuch/X}" ]
        [[ $theirs == *"no such enterprise"* ]]
    done
    printf 'enterprises: {bolt: {projects: {tapeout-7nm: {weight: 3}}}}\n' >"$CHIPQ_DIR/bad.yaml"
    run -3 as acme/ada admin apply "$CHIPQ_DIR/bad.yaml"
    [[ $output == *"no such enterprise"* ]]
    run -0 admin admin export
    [[ $output == *"weight: 2"* ]]
}

@test "a hostile tenant learns nothing of others from any view" {
    admin licence set secret-tool 3 --owner bolt
    job=$(as bolt/dan submit --project tapeout-7nm --licence secret-tool:1 --cores 2 -- true)
    as bolt/dan wait "$job"
    for who in acme/dan acme/ada; do
        for command in "share" "share --json" "quota" "quota --json" "licences" "licences --json" "instrument list --json" \
                       "reservation list --json" "admin export" "status --json"; do
            run as "$who" $command
            [[ $output != *bolt* && $output != *tapeout* && $output != *secret* ]]
        done
        run -3 as "$who" share bolt
        theirs=$output
        run -3 as "$who" share nosuch
        [ "${theirs//bolt/X}" = "${output//nosuch/X}" ]
        run as "$who" submit --licence secret-tool:1 -- true
        rc=$status theirs=$output
        run as "$who" submit --licence secret-fool:1 -- true
        [ "$rc" -ne 0 ] && [ "$rc" = "$status" ]
        [ "${theirs//secret-tool/X}" = "${output//secret-fool/X}" ]
    done
    run -0 --separate-stderr as acme/dan licences --json
    [ "$(json licences.1.name <<<"$output")" = vcs ]
    [ "$(json licences.0.waiting <<<"$output")" = 0 ]
    [[ $(json licences.1 <<<"$output") != *waiting* ]]
}

@test "an enterprise with jobs is not removed" {
    job=$(as bolt/dan submit --hold -- true)
    run -7 admin admin enterprise remove bolt
    [[ $output == "chipq: remove enterprise bolt: "*cancel* ]]
    as bolt/dan cancel "$job"
    as bolt/dan wait "$job" || true
    pool_as gone/dan designer >/dev/null
    run -0 admin admin enterprise remove gone
    run -3 timeout 60 chipq --key "$CHIPQ_DIR/gone-dan.key" jobs
}

@test "changes are in the log with who made them, dry runs are not changes" {
    run grep -c "audit.config by=acme/ada project acme/uart weight='5' was='4'" "$CHIPQ_DIR/log/chipqd.log"
    [ "$output" = 1 ]
    run grep -c "audit.config_apply by=acme/dan .*allowed=0" "$CHIPQ_DIR/log/chipqd.log"
    ((output > 3))
    ! grep "audit.config by=acme/dan" "$CHIPQ_DIR/log/chipqd.log"
}

@test "a cap holds back, is shown as reached, and its end lets go at once" {
    T=$(mktemp -d)
    mkfifo "$T/said" "$T/go"
    admin admin user set acme/uart/dan --max-running none --max-cores 1
    one=$(as acme/dan submit --project uart -- sh -c 'echo up >"$1"; read -r _ <"$2"' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    two=$(as acme/dan submit --project uart -- true)
    run -0 --separate-stderr as acme/dan why "$two"
    [[ $output == *max-cores* ]]
    run -0 --separate-stderr as acme/dan quota acme/uart/dan --json
    [[ $output == *'"state": "reached"'* ]]
    run -0 --separate-stderr as acme/dan share acme/uart --json
    [ "$(json shares.0.tasks_running <<<"$output")" = 1 ]
    [ "$(json shares.0.tasks_waiting <<<"$output")" = 1 ]
    admin admin user set acme/uart/dan --max-cores none
    run -0 as acme/dan wait "$two" --timeout 20s
    tell "$T/go" ""
    run -0 as acme/dan wait "$one" --timeout 20s
    rm -rf "$T"
}

@test "tokens: taken as one, seen as used, given back" {
    T=$(mktemp -d)
    mkfifo "$T/said" "$T/go"
    admin licence set vcs 2
    one=$(as acme/dan submit --licence vcs:2 -- sh -c 'echo up >"$1"; read -r _ <"$2"' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    two=$(as bolt/dan submit --licence vcs:1 -- true)
    run -0 --separate-stderr as bolt/dan why "$two"
    [[ $output == *vcs* && $output != *acme* ]]
    run -0 --separate-stderr as bolt/dan licences --format name,free,used
    [[ $output == *vcs*0*2* ]]
    tell "$T/go" ""
    run -0 as acme/dan wait "$one" --timeout 20s
    run -0 as bolt/dan wait "$two" --timeout 20s
    rm -rf "$T"
}

@test "bookings: made, listed to their own only, clashes refused, deleted" {
    day=$(date -d "+30 days" +%F)
    run -0 as acme/ada reservation create nightly --for acme/uart --start ${day}T20:00 --for-hours 4 --every day \
        --instrument palladium:6
    run -0 --separate-stderr as acme/dan reservation list --json
    [ "$(json reservations.0.name <<<"$output")" = nightly ]
    [ "$(json reservations.0.every <<<"$output")" = day ]
    run -0 --separate-stderr as bolt/dan reservation list --json
    [[ $output != *nightly* && $output != *acme* ]]
    run as bolt/ada reservation create clash --for bolt --start ${day}T21:00 --for-hours 1 --instrument palladium:4
    [ "$status" -ne 0 ]
    [[ $output != *acme* && $output != *nightly* ]]
    # The name is not taken for others, and is none of theirs to delete.
    run -0 as bolt/ada reservation create nightly --for bolt --start ${day}T21:00 --for-hours 1 --instrument palladium:2
    run -3 as bolt/ada reservation delete acme/nightly
    theirs=$output
    run -3 as bolt/ada reservation delete nosuch/nightly
    [ "${theirs//acme/X}" = "${output//nosuch/X}" ]
    run -0 as bolt/ada reservation create weekly --for bolt --start ${day}T12:00 --for-hours 1 --instrument palladium:2
    run -3 admin reservation delete acme/weekly # bolt's stays
    run -0 as bolt/ada reservation delete weekly
    one=$(as bolt/dan submit --reserve nightly --time 10m -- true)
    run -7 as bolt/ada reservation delete nightly # and let it wait for ever?
    [[ $output == *"1 job waits for booking 'nightly'"*"--force"* ]]
    run -0 as bolt/ada reservation delete nightly --force
    run -0 as bolt/dan cancel "$one"
    run -3 as bolt/ada reservation delete nightly
    run -0 --separate-stderr admin reservation list --all --json
    [ "$(json reservations.0.path <<<"$output")" = acme/uart ]
    chipq down
    chipq up --cores 2 --mem 2G
    run -0 --separate-stderr as acme/dan reservation list --json
    [ "$(json reservations.0.name <<<"$output")" = nightly ]
    run -0 admin reservation delete acme/nightly
    run -0 --separate-stderr as acme/dan reservation list --json
    [[ $output != *nightly* ]]
}
