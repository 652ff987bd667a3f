#!/usr/bin/env bats
# Plugins that misbehave: what they leave is never taken for a pass, and the pool goes on.
bats_require_minimum_version 1.5.0
load pool.bash

# A private place for the binaries, with plugins of our own beside them.
setup_file() {
    export PLACE
    PLACE=$(mktemp -d)
    mkdir "$PLACE/bin"
    cp "$CHIPQ_BIN"/{chipq,chipq-helper,chipqd,chipq-execd,chipq-worker,chipq-shepherd} "$PLACE/bin/"
    cat >"$PLACE/bin/chipq-tool-bad" <<'EOP'
#!/bin/sh
if [ "$1" = describe ]; then
    tasks=
    for name in good none garbage halfway huge link forever lies binary crash; do
        tasks="$tasks${tasks:+,}{\"name\":\"$name\",\"summary\":\"$name\",\"params\":[]}"
    done
    echo "{\"chipq_plugin\":1,\"name\":\"bad\",\"summary\":\"for tests\",\"tool\":{\"binary\":\"/bin/sh\",\"version\":\"1\",\"found\":true,\"package\":\"dash\"},\"tasks\":[$tasks]}"
    exit 0
fi
pass='{"chipq_result":1,"verdict":"pass","metrics":{"n":1},"signature":"","summary":"fine","tool":{"name":"bad","version":"1"},"gates":[],"artefacts":[]}'
case $(sed 's/.*"task": *"\([a-z]*\)".*/\1/' task.json | grep -o '[a-z]*' | tail -n 1) in
good) echo "$pass" >result.json ;;
none) exit 0 ;;
garbage) echo "this is no JSON" >result.json ;;
halfway) echo "$pass" | cut -c 1-60 >result.json ;;
huge) { printf '{"chipq_result":1,"verdict":"pass","summary":"'; head -c 3000000 /dev/zero | tr '\0' x; echo '"}'; } >result.json ;;
link) echo "$pass" >elsewhere; ln -s elsewhere result.json ;;
forever) trap '' TERM; while :; do sleep 1000; done ;;
lies) echo "$pass" >result.json; exit 1 ;;
binary) head -c 5000 /dev/urandom >result.json ;;
crash) echo "$pass" >result.json; kill -SEGV $$ ;;
esac
exit 0
EOP
    # Descriptions that cannot be used must not hide the good plugin.
    printf '#!/bin/sh\nhead -c 1000000 /dev/zero\n' >"$PLACE/bin/chipq-tool-noise"
    printf '#!/bin/sh\necho "{\\"chipq_plugin\\":1,"\n' >"$PLACE/bin/chipq-tool-torn"
    printf '#!/bin/sh\nexit 3\n' >"$PLACE/bin/chipq-tool-exit"
    printf '#!/bin/sh\n' >"$PLACE/bin/chipq-tool-silent"
    chmod 755 "$PLACE"/bin/chipq-tool-*
    PATH=$PLACE/bin:$PATH
    pool_up
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
    rm -rf "$PLACE"
}

setup() {
    PATH=$PLACE/bin:$PATH
    T=$(mktemp -d)
}

teardown() {
    rm -rf "$T"
}

# run_task TASK [more of the job]: status and output of the flow.
run_task() {
    printf 'jobs:\n  it: {tool: bad.%s%s}\n  after: {run: [touch, "%s/after"], needs: [it]}\n' "$1" "${2-}" "$T" >"$T/f.yaml"
    run --separate-stderr timeout 60 chipq run "$T/f.yaml" --json
    verdict=$(json jobs.0.verdict <<<"$output")
}

@test "a plugin that behaves is a pass; the broken descriptions beside it are left out" {
    run -0 chipq tools --format name
    [[ $output == *bad* && $output != *noise* && $output != *torn* && $output != *silent* ]]
    run_task good
    [ "$status" = 0 ]
    [ "$verdict" = pass ]
    [ -e "$T/after" ]
}

@test "no result, no JSON, half a JSON, random bytes, 3 MB, a link: error, and dependents do not start" {
    for task in none garbage halfway binary huge link; do
        run_task $task
        echo "# $task: $verdict" >&2
        [ "$status" = 1 ]
        [ "$verdict" = error ]
        [ ! -e "$T/after" ]
    done
}

@test "a pass that its exit status or its death contradicts is no pass" {
    for task in lies crash; do
        run_task $task
        [ "$status" = 1 ]
        [ "$verdict" != pass ]
        [ ! -e "$T/after" ]
    done
}

@test "a plugin that never ends and is deaf to TERM: its wall limit ends it" {
    run_task forever ', time: 300ms, grace: 200ms'
    [ "$status" = 1 ]
    [ "$verdict" = timeout ]
    run -0 chipq submit --wait -- true
}
