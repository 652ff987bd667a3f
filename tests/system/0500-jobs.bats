#!/usr/bin/env bats
# The life of single jobs, as their owner sees it: output, ends, exit statuses, people's orders, hostile names.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

setup() {
    T=$(mktemp -d)
    mkfifo "$T/said" "$T/go"
}

teardown() {
    rm -rf "$T"
}

@test "exit statuses of the command line: 0 1 2 3 6 7" {
    run -0 chipq submit --wait -- true
    run -1 chipq submit --wait -- sh -c 'exit 3'
    run -2 chipq submit --cores none -- true
    run -3 chipq wait 999999
    held=$(chipq submit --hold -- true)
    run -6 chipq wait "$held" --timeout 100ms
    run -7 chipq hold "$(chipq submit --wait -- true)"
    run -0 chipq cancel "$held"
}

@test "the exit status is the job's own: 0 to 255 and signals" {
    for code in 1 42 127 255; do
        job=$(chipq submit -- sh -c "exit $code")
        run -1 chipq wait "$job"
        [ "$(field "$job" exit_code)" = "$code" ]
        [ "$(field "$job" verdict)" = fail ]
    done
    job=$(chipq submit -- sh -c 'kill -SEGV $$')
    run -1 chipq wait "$job"
    [ "$(field "$job" signal)" = 11 ]
    [[ $(field "$job" summary) == *"Segmentation fault"* ]]
}

@test "logs -f shows what a job prints while it runs, then ends with it" {
    job=$(chipq submit -- sh -c 'echo early; read -r word <"$1"; echo "late $word"' sh "$T/go")
    chipq logs -f "$job" >"$T/said" &
    follower=$!
    exec 8<"$T/said"
    IFS= read -r -t 10 line <&8
    [ "$line" = early ]
    [ "$(field "$job" state)" = running ]
    tell "$T/go" news
    IFS= read -r -t 10 line <&8
    [ "$line" = "late news" ]
    wait "$follower"
    exec 8<&-
    [ "$(chipq logs "$job")" = $'early\nlate news' ]
}

@test "two followers see the same; a follower that goes away hurts nobody" {
    job=$(chipq submit -- sh -c 'echo a; read -r _ <"$1"; echo b' sh "$T/go")
    chipq logs -f "$job" >"$T/one" &
    one=$!
    chipq logs -f "$job" >"$T/two" &
    two=$!
    chipq logs -f "$job" >"$T/said" &
    three=$!
    [ "$(heard "$T/said")" = a ] # and its reader is gone
    tell "$T/go" ""
    wait "$one" "$two"
    wait "$three" || true
    [ "$(cat "$T/one")" = $'a\nb' ]
    cmp "$T/one" "$T/two"
}

@test "output is kept byte for byte: zeros, a megabyte, no newline at the end" {
    head -c 1000000 /dev/urandom >"$T/bytes"
    job=$(chipq submit -- cat "$T/bytes")
    chipq logs -f "$job" >"$T/back"
    cmp "$T/bytes" "$T/back"
    chipq wait "$job"
    chipq logs --raw "$job" | cmp - "$T/bytes"
}

@test "standard input is empty, standard error is in the output" {
    job=$(chipq submit -- sh -c 'cat; echo out; echo err >&2' <<<"not for the job")
    run -0 chipq logs -f "$job"
    [ "$output" = $'out\nerr' ]
}

@test "cancel: a waiting job never runs" {
    job=$(chipq submit --hold -- touch "$T/ran")
    run -0 chipq cancel "$job"
    run -1 chipq wait "$job"
    [[ $output == *"killed (cancelled by"* ]]
    [ "$(field "$job" state)" = killed ]
    [ ! -e "$T/ran" ]
    run -7 chipq release "$job"
    [ "$(field "$job" state)" = killed ]
}

@test "cancel: a running job gets TERM and may tidy up" {
    job=$(chipq submit --grace 10s -- sh -c 'trap "echo tidied; exit 5" TERM; echo up >"$1"; read -r _ <"$2"' \
        sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    run -0 chipq cancel "$job"
    run -1 chipq wait "$job" --timeout 5s
    [[ $(chipq logs "$job") == *tidied ]]
    [ "$(field "$job" state)" = killed ]
}

@test "cancel: single tasks of an array, running and waiting; the others go on" {
    job=$(chipq submit --array 1-6%2 --grace 100ms -- sh -c \
        'test "$CHIPQ_TASK" -gt 2 || echo "$CHIPQ_TASK" >"$1"; test "$CHIPQ_TASK" -ne 1 || read -r _ <"$2"
         test "$CHIPQ_TASK" -ne 2 || exec sleep 600' sh "$T/said" "$T/go")
    exec 8<>"$T/said"
    IFS= read -r -t 10 _ <&8
    IFS= read -r -t 10 _ <&8
    run -0 chipq cancel "$job[2,5]"
    tell "$T/go" ""
    exec 8<&-
    run -1 chipq wait "$job" --timeout 20s
    run -0 chipq job "$job" --json
    [ "$(json tasks_passed <<<"$output")" = 4 ]
    [ "$(json tasks_killed <<<"$output")" = 2 ]
    [ "$(json passed_tasks <<<"$output")" = 1,3-4,6 ]
}

@test "cancel: a whole array, some of it running" {
    job=$(chipq submit --array 1-500 --grace 100ms -- sleep 600)
    run -0 chipq cancel "$job"
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" tasks_killed)" = 500 ]
}

@test "hold keeps a job back, release lets it go; hold of a dependent outlasts its dependency" {
    first=$(chipq submit --hold -- true)
    second=$(chipq submit --after "ok:$first" -- true)
    run -0 chipq hold "$second"
    run -0 chipq release "$first"
    run -0 chipq wait "$first"
    run -0 chipq why "$second"
    [[ $output == *held* ]]
    run -6 chipq wait "$second" --timeout 100ms
    run -0 chipq release "$second"
    run -0 chipq wait "$second"
}

@test "requeue of a running job: a second attempt, the first one's output kept" {
    job=$(chipq submit --grace 100ms -- sh -c 'echo "attempt $CHIPQ_ATTEMPT"; echo "$CHIPQ_ATTEMPT" >"$1"; read -r _ <"$2"' \
        sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = 1 ]
    run -0 chipq requeue "$job"
    [ "$(heard "$T/said")" = 2 ]
    tell "$T/go" ""
    run -0 chipq wait "$job"
    [ "$(chipq logs "$job")" = "attempt 2" ]
    [ "$(chipq logs --attempt 1 "$job")" = "attempt 1" ]
    run -7 chipq requeue "$job"
    [ "$(field "$job" state)" = done ]
}

@test "a command that is not there, may not run, or whose directory is gone: error, not fail, and why" {
    touch "$T/plain"
    mkdir "$T/gone"
    a=$(chipq submit -- /no/such/command)
    b=$(chipq submit -- "$T/plain")
    c=$(chipq submit --hold --chdir "$T/gone" -- pwd)
    rmdir "$T/gone"
    chipq release "$c"
    run -1 chipq wait "$a" "$b" "$c"
    [ "$(field "$a" verdict)" = error ]
    [[ $(field "$a" cause) == "cannot run '/no/such/command': No such file or directory"* ]]
    [[ $(field "$b" cause) == *"Permission denied"* ]]
    [[ $(field "$c" cause) == "cannot enter the directory $T/gone: No such file or directory" ]]
    [[ $(chipq logs "$c") == *"cannot enter the directory"* ]]
}

@test "the job finds what it may use in CHIPQ_*; nothing of the daemons leaks in" {
    job=$(CHIPQ_KEY="$CHIPQ_DIR/keys/user.key" CHIPQ_FORGED=1 chipq submit --name env --cores 2 --mem 700M --time 90s \
        --array 7 -- sh -c 'env; ls -l /proc/self/fd | wc -l; umask; ulimit -c')
    run -0 chipq logs -f "$job[7]"
    for line in CHIPQ_JOB="$job" CHIPQ_JOB_NAME=env CHIPQ_TASK=7 CHIPQ_SEED=7 CHIPQ_ATTEMPT=1 CHIPQ_ENTERPRISE=local \
        CHIPQ_CORES=2 CHIPQ_CORE_LIST=0-1 CHIPQ_MEM_MIB=700 CHIPQ_TIME_S=90; do
        [[ $'\n'$output$'\n' == *$'\n'$line$'\n'* ]] || { echo "no $line" >&2 && false; }
    done
    [[ $output != *CHIPQ_KEY=* && $output != *secret* ]]
    fds=$(chipq submit -- ls /proc/self/fd)
    run -0 chipq logs -f "$fds"
    [ "$(wc -l <<<"$output")" -le 4 ] # 0 1 2 and the directory itself
}

@test "names with terminal escapes and newlines are shown escaped, 255 bytes are kept, 300 refused" {
    name=$'\e]0;owned\a\e[2J\nroot  done\r'
    job=$(chipq submit --name "$name" -- true)
    chipq wait "$job"
    for command in "jobs --limit 3" "job $job" "jobs --format number,name" "why $job" "wait $job"; do
        run -0 chipq $command
        [[ $output != *$'\e'* && $output != *$'\a'* && $output != *$'\r'* ]]
    done
    [ "$(chipq jobs --limit 1 --format name | wc -l)" -le 2 ]
    [ "$(chipq job "$job" --json | python3 -c 'import json,sys; print(repr(json.load(sys.stdin)["name"]))')" \
        = "$(python3 -c 'print(repr("\x1b]0;owned\x07\x1b[2J\nroot  done\r"))')" ]
    long=$(printf 'n%.0s' {1..255})
    job=$(chipq submit --name "$long" -- true)
    [ "$(field "$job" name)" = "$long" ]
    run -2 chipq submit --name "${long}$long" -- true
    [[ $output == *"at most 255"* ]]
}

@test "arguments reach the job as they were: blanks, quotes, newlines, empty, 100 kB" {
    big=$(head -c 100000 /dev/zero | tr '\0' x)
    job=$(chipq submit -- sh -c 'for a; do printf "<%s>" "$a"; done | cksum' sh "" " a  b" '"' "'" $'x\ny' '$HOME' '*' "$big")
    run -0 chipq logs -f "$job"
    [ "$output" = "$(for a in "" " a  b" '"' "'" $'x\ny' '$HOME' '*' "$big"; do printf '<%s>' "$a"; done | cksum)" ]
}

@test "a request too big for the pool is refused, nothing is submitted" {
    before=$(chipq jobs --limit 1 --format number | tail -n 1)
    args=()
    for _ in {1..20}; do args+=("$(head -c 120000 /dev/zero | tr '\0' x)"); done
    run chipq submit -- true "${args[@]}"
    [ "$status" -ne 0 ] && [[ $output == *"chipq: "* ]]
    [ "$(chipq jobs --limit 1 --format number | tail -n 1)" = "$before" ]
}

@test "priority orders the owner's own waiting jobs; arrival breaks ties" {
    block=$(chipq submit --cores 2 -- sh -c 'read -r _ <"$1"' sh "$T/go")
    order=$T/order
    a=$(chipq submit --cores 2 --priority -1 -- sh -c 'echo low >>"$1"' sh "$order")
    b=$(chipq submit --cores 2 -- sh -c 'echo first >>"$1"' sh "$order")
    c=$(chipq submit --cores 2 -- sh -c 'echo second >>"$1"' sh "$order")
    d=$(chipq submit --cores 2 --priority 5 -- sh -c 'echo high >>"$1"' sh "$order")
    tell "$T/go" ""
    run -0 chipq wait "$block" "$a" "$b" "$c" "$d"
    [ "$(tr '\n' ' ' <"$order")" = "high first second low " ]
}

@test "logs -f prints the output of a job that starts and ends while the store is asked for it" {
    chipqd --list-failpoints | grep -qx chipqd.query.after_read || skip "failpoints are not compiled in"
    unset CHIPQ_DIR
    pool_dir
    mkfifo "$T/acts"
    exec 8<>"$T/acts"
    CQ_FAILPOINTS_LOG=$T/acts CQ_FAILPOINTS='chipqd.query.after_read=delay(500)' pool_up 8>&-
    job=$(chipq submit --hold -- echo hello)
    while IFS= read -r -t 0.1 _ <&8; do :; done
    chipq logs -f "$job" >"$T/out" 3>&- 8>&- &
    reader=$!
    IFS= read -r -t 10 _ <&8 # the store has read: the job is held
    chipq release "$job"
    wait "$reader"
    [ "$(cat "$T/out")" = hello ]
    exec 8>&-
    BATS_TEST_COMPLETED=1 pool_down
}

@test "a job tells what it asked for: in one line what is not as ever, all of it in JSON" {
    plain=$(chipq submit --wait -- true)
    run -0 chipq job "$plain"
    [[ $'\n'$output != *$'\n'request* ]]
    [ "$(field "$plain" request.on_lost)" = requeue ]
    [ "$(field "$plain" request.restart)" = on-loss ]
    [ "$(field "$plain" request.grace_us)" = 5000000 ]
    [ "$(field "$plain" request.output_max_mib)" = 256 ]
    [ "$(field "$plain" request.mem_source)" = default ]
    full=$(chipq submit --hold --topo pack:numa --exclusive node --smt 1 --membind interleave --on-lost wait \
        --restart never --grace 20s --output-max 3M --output-full drop --mem 100M --array 2-5%2 -- true)
    run -0 chipq job "$full"
    [[ $output == *$'\nrequest      --array 2-5%2 --topo pack:numa --exclusive node --smt 1 --membind interleave --hold --restart never --on-lost wait --grace 20s --output-max 3M --output-full drop\n'* ]]
    run -0 chipq job "$full" --json
    [ "$(json request.topo <<<"$output")" = pack:numa ]
    [ "$(json request.exclusive <<<"$output")" = node ]
    [ "$(json request.smt <<<"$output")" = 1 ]
    [ "$(json request.array_max_running <<<"$output")" = 2 ]
    [ "$(json request.output_full <<<"$output")" = drop ]
    [ "$(json request.mem_source <<<"$output")" = asked ]
    [ "$(json request.cwd <<<"$output")" = "$PWD" ]
    run -0 chipq cancel "$full"
}

@test "outputs are told where something was published, and only there" {
    job=$(chipq submit --wait -- true)
    run -0 chipq job "$job"
    [[ $output != *$'\noutputs'* ]] # it has no place of its own to leave any
    [ "$(field "$job" output_dir)" = "" ]
    [ "$(field "$job" outputs)" = none ]
    job=$(chipq submit -- sh -c 'echo up >"$1"; read -r _ <"$2"' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    [ "$(field "$job" output_dir)" = "" ]
    [ "$(field "$job" outputs)" = "" ] # nobody knows yet
    tell "$T/go" ""
    run -0 chipq wait "$job" --timeout 10s
    cat >"$T/f.yaml" <<'END'
flow: leaves
jobs:
  some: {run: [sh, -c, 'echo x >"$CHIPQ_OUT/file"']}
  none: {run: [sh, -c, 'rmdir "$CHIPQ_OUT"']}
END
    run -0 chipq run "$T/f.yaml" --json
    some=$(chipq jobs --flow leaves --json | json jobs.1.number)
    none=$(chipq jobs --flow leaves --json | json jobs.0.number)
    run -0 chipq job "$some"
    [[ $output == *$'\noutputs      '"$CHIPQ_DIR/results/local/$some/0"* ]]
    [ "$(field "$some" outputs)" = published ]
    [ "$(cat "$(field "$some" output_dir)/file")" = x ]
    run -0 chipq job "$none"
    [[ $output == *$'\noutputs      none'* ]]
    [ "$(field "$none" output_dir)" = "" ]
}

@test "who cancelled is told, and when: another's job, tasks that ran and tasks that never did" {
    ann=$(pool_as acme/ann designer)
    boss=$(pool_as acme/boss admin)
    job=$(chipq --key "$ann" submit --array 1-3%1 --grace 100ms -- sh -c \
        'echo up >"$1"; exec sleep 600' sh "$T/said")
    [ "$(heard "$T/said")" = up ]
    at='at 20[0-9-]*T[0-9:.]*Z'
    run -0 chipq --key "$boss" cancel "$job[3]"
    run -0 chipq --key "$ann" job "$job[3]"
    grep -qx "chipq: task 3 never started: cancelled by boss $at" <<<"$output"
    run -0 chipq --key "$ann" cancel "$job[2]"
    [[ $(chipq --key "$ann" job "$job" --json | json killed_by) == "cancelled by boss at "*"; cancelled by ann at "* ]]
    [ "$(chipq --key "$ann" job "$job" --json | json killed_tasks)" = 2-3 ]
    run -0 chipq --key "$boss" cancel "$job[1]"
    run -1 chipq --key "$ann" wait "$job" --timeout 20s
    run -0 chipq --key "$ann" job "$job[1]"
    grep -qx "ended by     cancelled by boss $at" <<<"$output"
    run -0 chipq --key "$ann" job "$job[2]" # over by now: the store tells
    grep -q "^chipq: task 2 never started: cancelled by boss $at; cancelled by ann $at" <<<"$output"
    waits=$(chipq --key "$ann" submit --hold -- true)
    run -0 chipq --key "$boss" cancel "$waits"
    run -0 chipq --key "$ann" job "$waits"
    grep -qx "reason       cancelled by boss $at" <<<"$output"
}
