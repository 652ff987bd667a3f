#!/usr/bin/env bats
# What the command line says and how it ends when there is no pool, or the request is wrong.
bats_require_minimum_version 1.5.0
load pool.bash

setup() {
    T=$(mktemp -d)
    export CHIPQ_DIR=$T/instance
}

teardown() {
    rm -rf "$T"
}

@test "no arguments: an overview on stderr, exit 2" {
    run -2 --separate-stderr chipq
    [ -z "$output" ]
    [[ $stderr == *"Commands:"* ]]
}

@test "--help and --version go to stdout, exit 0" {
    run -0 --separate-stderr chipq --help
    [[ $output == *"chipq run signoff.yaml"* ]]
    [ -z "$stderr" ]
    run -0 chipq --version
    [[ $output == "chipq "* ]]
}

@test "every command has help with examples, and a manual page" {
    for c in $(chipq help --complete -- ""); do
        run -0 chipq "$c" --help
        [[ $output == *"Examples:"*"chipq $c"* ]] || [[ $output == *"chipq"*"$c"* ]]
        run -0 chipq help --man "$c"
        [[ $output == *"# SYNOPSIS"*"*chipq $c*"* ]]
    done
}

@test "manual pages are valid scdoc" {
    command -v scdoc >/dev/null || skip "no scdoc"
    for c in "" $(chipq help --complete -- ""); do
        chipq help --man $c | scdoc >/dev/null
    done
}

@test "help appears in less than 10 ms (best of 20)" {
    best=1000000
    for _ in {1..20}; do
        from=${EPOCHREALTIME/[.,]/}
        chipq --help >/dev/null
        took=$((${EPOCHREALTIME/[.,]/} - from))
        ((took < best)) && best=$took
    done
    # Sanitizers alone take longer.
    if nm -D "$(command -v chipq)" | grep -q __asan; then skip "sanitizer build"; fi
    ((best < 10000))
}

@test "misspelt commands and options: did you mean, exit 2" {
    run -2 chipq sbumit
    [[ $output == *"did you mean 'submit'?"* ]]
    run -2 chipq submit --coers 2 -- true
    [[ $output == *"did you mean '--cores'?"* ]]
    run -2 chipq jobs --format numbr
    [[ $output == *"did you mean 'number'?"* ]]
    run -2 chipq submit
    [[ $output == *"name a command"* ]]
}

@test "options are not abbreviated, and say which is meant" {
    run -2 chipq submit --output 5 -- true
    [[ $output == *"no option '--output'; did you mean '--output-max'?"* ]]
    run -2 chipq jobs --form csv
    [[ $output == *"did you mean '--format'?"* ]]
    run -0 chipq -V
    [[ $output == "chipq "* ]]
}

@test "words of other schedulers are answered with ours" {
    run -2 chipq squeue
    [[ $output == *"here it is: chipq jobs"* ]]
    run -2 chipq sbatch job.sh
    [[ $output == *"here it is: chipq submit"* ]]
}

@test "sizes and times need a unit" {
    run -2 chipq submit --mem 4 -- true
    [[ $output == *"--mem: '4' has no unit; write 4M or 4G"* ]]
    run -2 chipq submit --time 30 -- true
    [[ $output == *"--time: '30' has no unit; write 30s or 30m"* ]]
    run -2 chipq submit --mem 1K -- true
    [[ $output == *"--mem: '1K' is out of range: a size is 1M to 1024T; write 512M, 4G or 1.5T"* ]]
    run -2 chipq submit --time 0 -- true
    [[ $output == *"--time: '0' is out of range: a limit is above zero and at most 3650d; write 90s, 15m or 2h"* ]]
    run -2 chipq submit --cores 0 -- true
    [[ $output == *"--cores: 0 is out of range: 1 to 4096"* ]]
    printf 'jobs:\n  a: {run: ["true"], mem: 4}\n' >"$T/f.yaml"
    run -2 chipq run "$T/f.yaml"
    [[ $output == *"f.yaml:2:27: mem: '4' has no unit; write 4M or 4G"* ]]
}

@test "errors under --json are an object on stdout, with the same exit status" {
    run -5 --separate-stderr chipq jobs --json
    [ "$(json error.code <<<"$output")" = NO_SCHEDULER ]
    [[ $(json error.text <<<"$output") == *"chipq up"* ]]
    [[ $stderr == *"chipq up"* ]]
    run -2 --separate-stderr chipq jobs --colour --json
    [ "$(json error.code <<<"$output")" = INVALID ]
    run -2 --separate-stderr chipq logs 1 --json
    [[ $(json error.text <<<"$output") == *"logs are bytes"* ]]
    printf 'jobs:\n  a: {run: ["true"], coers: 4}\n' >"$T/f.yaml"
    run -2 --separate-stderr chipq run "$T/f.yaml" --json
    [ "$(json error.code <<<"$output")" = INVALID ]
    [ "$(json errors.0.line <<<"$output")" = 2 ]
}

@test "up: more than the machine has is refused with what it has" {
    run -2 chipq up --cores 4000
    [[ $output == *"--cores 4000: this machine has "[0-9]* ]]
    run -2 chipq up --system-cores 0,x
    [[ $output == *"--system-cores: '0,x' is not a range (character 3)"* ]]
    run -2 chipq up --system-mem 0
    [[ $output == *"--system-mem: '0' is out of range: a size is 1M to 1024T"* ]]
    run -2 chipq up --mem 900T
    [[ $output == *"--mem 900T: this machine has "[0-9]*G* ]]
    [ ! -e "$CHIPQ_DIR" ]
}

@test "up: of a named directory only the last part is made" {
    run -3 chipq --dir "$T/no/such/place" up
    [[ $output == *"there is no directory $T/no/such to make place in"* ]]
    [ ! -e "$T/no" ]
}

@test "tabs in a flow are named" {
    printf 'jobs:\n\ta: {run: ["true"]}\n' >"$T/f.yaml"
    run -2 chipq run "$T/f.yaml"
    [[ $output == *"f.yaml:2:1: tabs may not indent; use spaces"* ]]
}

@test "submit without a pool names chipq up, exit 5, nothing on stdout" {
    run -5 --separate-stderr chipq submit -- true
    [ -z "$output" ]
    [[ $stderr == *"chipq up"* ]]
    [ ! -e "$CHIPQ_DIR" ]
}

@test "every command that needs a pool says that there is none, exit 5" {
    for c in "jobs" "job 1" "why 1" "logs 1" "wait 1" "cancel 1" "hold 1" "release 1" "requeue 1" "nodes" "tools" \
             "status" "admin user list" "node drain x" "share" "share --all" "quota" "licences" "licence" "licence set v 1" \
             "licence remove v" "licence feed" "licence feed --none" "instrument list" "instrument set p 8" \
             "reservation list" "reservation delete acme/x" "admin export" "admin enterprise add acme" \
             "admin project set acme/uart --weight 2" "admin user set acme/uart/ann --max-cores none"; do
        run -5 chipq $c
        [[ $output == *"chipq up"* ]]
    done
}

@test "placement wishes are checked before anything is sent" {
    run -2 chipq submit --smt 3 -- true
    [[ $output == *"--smt: "* ]]
    run -2 chipq submit --exclusive rack -- true
    [[ $output == *"--exclusive: 'rack' is none of: none, node, socket, numa"* ]]
    run -2 chipq submit --membind far -- true
    [[ $output == *"--membind: 'far' is none of: local, interleave, none"* ]]
    run -2 chipq submit --topo pack:rack -- true
    [[ $output == *"'pack:rack' is no placement wish"* ]]
}

@test "licence tokens are checked before anything is sent" {
    run -2 chipq submit --licence vcs:0 -- true
    [[ $output == *"--licence: vcs: "* ]]
    run -2 chipq submit --licence vcs:2 --instrument vcs:1 -- true
    [[ $output == *"--instrument: 'vcs' is there twice"* ]]
    printf 'jobs:\n  a: {run: ["true"], licence: [vcs:1, "vcs:2"]}\n' >"$T/f.yaml"
    run -2 chipq run "$T/f.yaml"
    [[ $output == *"f.yaml:2:39: licence: 'vcs' is there twice"* ]]
}

@test "a job name of 300 characters is refused" {
    run -2 chipq submit --name "$(printf 'n%.0s' {1..300})" -- true
    [[ $output == *"300 bytes; at most 255"* ]]
}

@test "a broken flow is told with line and column, also without a pool" {
    printf 'flow: x\njobs:\n  a: {run: [true], coers: 2}\n  b: {run: [true], needs: [c]}\n' >"$T/f.yaml"
    run -2 --separate-stderr chipq run "$T/f.yaml"
    [ -z "$output" ]
    [[ $stderr == *"f.yaml:3:20: unknown key 'coers' in job 'a'; did you mean 'cores'?"* ]]
    [[ $stderr == *"f.yaml:4:28: job 'b' needs 'c', which is not in this flow"* ]]
    [[ $stderr == *"2 problems; nothing was submitted"* ]]
    run -3 chipq run "$T/none.yaml"
}

@test "a broken configuration is told with line and column, also without a pool" {
    printf 'enterprises:\n  acme: {wieght: 2}\nlicences: {vcs: {owner: acme}}\n' >"$T/c.yaml"
    run -2 --separate-stderr chipq admin apply "$T/c.yaml"
    [ -z "$output" ]
    [[ $stderr == *"c.yaml:2:10: unknown key 'wieght' in enterprise 'acme'; did you mean 'weight'?"* ]]
    [[ $stderr == *"c.yaml:3:12: licence 'vcs' without 'count'"* ]]
    [[ $stderr == *"2 problems; nothing was changed"* ]]
    run -2 --separate-stderr chipq admin apply "$T/c.yaml" --json
    [ "$(json errors.1.column <<<"$output")" = 12 ]
    run -3 chipq admin apply "$T/none.yaml"
    printf 'enterprises: {acme: {weight: 2}}\n' >"$T/c.yaml"
    run -5 chipq admin apply "$T/c.yaml"
}

@test "admin: what is missing, misplaced or no name is told before anything is sent" {
    run -2 chipq admin enterprise add acme/uart
    [[ $output == *"'acme/uart' is no name of an enterprise"* ]]
    run -2 chipq admin enterprise set acme
    [[ $output == *"say what to set, as in --weight 2"* ]]
    run -2 chipq admin enterprise add
    [[ $output == *"usage: chipq admin enterprise add NAME"* ]]
    run -2 chipq admin project add acme --weight 2
    [[ $output == *"'acme' is no ENTERPRISE/PROJECT"* ]]
    run -2 chipq admin user set acme/ann --weight 2
    [[ $output == *"'acme/ann' is no ENTERPRISE/PROJECT/USER"* ]]
    run -2 chipq admin enterprise list --weight 2
    [[ $output == *"admin enterprise list takes no --weight"* ]]
    run -2 chipq admin enterprise add acme --dry-run
    [[ $output == *"takes no --dry-run"* ]]
    run -2 chipq admin export --role admin
    [[ $output == *"takes no --role"* ]]
    run -2 chipq admin enterprise add acme --max-core 4
    [[ $output == *"did you mean '--max-cores'?"* ]]
    run -2 chipq admin enterprize add acme
    [[ $output == *"admin: no 'enterprize add'; there are: enterprise add, "*"apply, export"* ]]
    run -2 chipq licence set vcs -3
    run -2 chipq licence set vcs many
    [[ $output == *"vcs: "* ]]
    run -2 chipq licence set 'v c' 3
    run -2 chipq licence feed --none /opt/feed
    run -2 chipq licence feed /opt/feed --every 30
    [[ $output == *"--every: '30' has no unit"* ]]
    run -2 chipq instrument create x 3
    [[ $output == *"usage: chipq instrument list"* ]]
}

@test "reservations: times are strict, and what makes no sense is refused" {
    book() { run -2 chipq reservation create "$@"; }
    book t --for acme --start tomorrow --for-hours 2 --cores 1
    [[ $output == *"--start: 'tomorrow' is not a time; write 2026-12-01T20:00 (local time)"* ]]
    book t --for acme --start 2099-02-30T20:00 --for-hours 2 --cores 1
    [[ $output == *"there is no such time here"* ]]
    book t --for acme --start 2099-12-01T20:00 --cores 1
    [[ $output == *"say how long, once"* ]]
    book t --for acme --start 2099-12-01T20:00 --end 2099-12-01T21:00 --for-hours 1 --cores 1
    [[ $output == *"say how long, once"* ]]
    book t --for acme --start 2099-12-01T20:00 --end 2099-12-01T19:00 --cores 1
    [[ $output == *"it ends before it starts"* ]]
    book t --for acme --start 2001-12-01T20:00 --for-hours 1 --cores 1
    [[ $output == *"it would be over already"* ]]
    book t --for acme --start 2099-12-01T20:00 --for-hours nan --cores 1
    book t --for acme --start 2099-12-01T20:00 --for-hours 0 --cores 1
    book t --for acme --start 2099-12-01T20:00 --for-hours 25 --every day --cores 1
    [[ $output == *"it lasts longer than the day"* ]]
    book t --for acme --start 2099-12-01T20:00 --for-hours 1 --every month --cores 1
    [[ $output == *"'month' is neither day nor week"* ]]
    book t --for acme --start 2099-12-01T20:00 --for-hours 1
    [[ $output == *"say what: --nodes"* ]]
    book t --for acme --start 2099-12-01T20:00 --for-hours 1 --nodes a,b --cores 2
    [[ $output == *"leave out --cores"* ]]
    book t --start 2099-12-01T20:00 --for-hours 1 --cores 2
    [[ $output == *"say for whom"* ]]
    book t/u --for acme --start 2099-12-01T20:00 --for-hours 1 --cores 2
    run -5 chipq reservation create t --for acme --start 2099-12-01T20:00 --for-hours 1 --cores 2
}

@test "down without an instance is no error" {
    run -0 chipq down
    [[ $output == *"no pool runs"* ]]
}

@test "up: too long a path, a read-only place, a directory open to others" {
    long=$T/$(printf 'd%.0s' {1..90})
    run -2 chipq --dir "$long" up
    [[ $output == *"at most 80"* ]]
    mkdir -m 755 "$T/open"
    run -3 chipq --dir "$T/open" up
    [[ $output == *"chmod 700 $T/open"* ]]
    if [ "$(id -u)" != 0 ]; then
        mkdir -m 500 "$T/ro"
        run -70 chipq --dir "$T/ro/x" up
        [[ $output == *"cannot make directory"* ]]
    fi
    touch "$T/file"
    run -70 chipq --dir "$T/file" up
    [[ $output == *"not a directory"* ]]
    run -70 chipq --dir /proc/chipq up
    [[ $output == *"cannot make directory"* ]]
}

@test "up: an instance that was being made when the machine died is made whole" {
    chipqd --dir "$CHIPQ_DIR" --init
    kept=$(cat "$CHIPQ_DIR/keys/user.key")
    rm "$CHIPQ_DIR"/db/chipq.db* # as if killed before the database got its name
    chipq up --cores 1
    chipq status
    chipq down
    [ "$(cat "$CHIPQ_DIR/keys/user.key")" = "$kept" ]
}

@test "doctor without an instance: fail lines, exit 1, what to do" {
    run -1 chipq doctor
    [[ $output == *"fail"*"run: chipq up"* ]]
    run -1 --separate-stderr chipq doctor --json
    json checks.0.status <<<"$output"
}

@test "a key file that others can read is refused" {
    printf 'chipq-key 1\n' >"$T/k"
    chmod 644 "$T/k"
    run -3 chipq --key "$T/k" jobs
    [[ $output == *"chmod 600"* ]]
}

@test "bash completion offers commands and options" {
    # shellcheck source=/dev/null
    source "$CHIPQ_ROOT/packaging/completions/chipq.bash"
    compopt() { :; }
    COMP_WORDS=(chipq sub) COMP_CWORD=1 COMPREPLY=()
    _chipq
    [ "${COMPREPLY[*]}" = submit ]
    COMP_WORDS=(chipq submit --prio) COMP_CWORD=2 COMPREPLY=()
    _chipq
    [ "${COMPREPLY[*]}" = --priority ]
    COMP_WORDS=(chipq licence s) COMP_CWORD=2 COMPREPLY=()
    _chipq
    [ "${COMPREPLY[*]}" = set ]
    COMP_WORDS=(chipq admin "") COMP_CWORD=2 COMPREPLY=()
    _chipq
    [ "${COMPREPLY[*]}" = "enterprise project user worker apply export audit backup" ]
}
