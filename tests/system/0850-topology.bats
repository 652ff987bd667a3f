#!/usr/bin/env bats
# Machines that are more than a heap of cores: a worker that takes its topology from a file, where the core places jobs
# on it, and what people see of it.

bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
    key_a=$(pool_as alpha/dan designer)
    key_b=$(pool_as bravo/dan designer)
    export key_a key_b
}

teardown_file() {
    pool_down
}

setup() {
    T=$(mktemp -d)
    mkfifo "$T/said" "$T/go" "$T/ready"
    exec 6<>"$T/go" 7<>"$T/said"
    jobs=()
}

teardown() {
    [ ${#jobs[@]} -eq 0 ] || chipq cancel "${jobs[@]}" >/dev/null 2>&1 || true
    [ ${#jobs[@]} -eq 0 ] || chipq wait "${jobs[@]}" >/dev/null 2>&1 || true
    exec 6>&- 7>&-
    rm -rf "$T"
}

# worker_again WORDS... [-- chipq-worker options]: the pool's worker is stopped; the words start another in its place.
worker_again() {
    local old
    old=$(pool_pid execd)
    kill -TERM "$old"
    wait_gone "$old"
    "$@" 5>"$T/ready" >/dev/null 2>&1 3>&- 6>&- 7>&- &
    [ "$(heard "$T/ready")" = ready ]
}

machine() { # machine FILE: the worker says that it is this one
    worker_again chipq-execd --dir "$CHIPQ_DIR" --ready-fd 5 -- --mem 64G --topology "$CHIPQ_ROOT/examples/topologies/$1"
}

# held NAME SUBMIT-OPTIONS...: a job of that name that runs until the test ends; returns when it runs. Its number is $job.
held() {
    job=$(chipq submit --name "$1" "${@:2}" -- sh -c 'echo up >"$1"; read -r _ <"$2"' sh "$T/said" "$T/go")
    jobs+=("$job")
    IFS= read -r -t 10 line <&7 && [ "$line" = up ]
}

@test "a machine with many shared caches: jobs get whole places, and people see where" {
    machine many-l3.xml
    [ "$(chipq nodes --json | json nodes.0.cores)" = 64 ]
    held four --cores 4 --mem 1G
    [ "$(field "$job" where)" = "$(chipq nodes --json | json nodes.0.name): cores 0-3 (numa 0)" ]
    held wide --cores 16 --mem 1G
    wide=$job
    [ "$(field "$job" numa)" = 1-2 ] # whole NUMA nodes, of the socket that has fewest to spare
    held three --cores 3 --mem 1G
    [ "$(field "$job" core_ids)" = 4-6 ] # beside the first, in the cache that is left
    run -0 chipq job "$wide"
    [[ $output == *"where "*": cores 8-23 (numa 1-2)"* ]]
    run -0 chipq nodes --topology
    [[ ${lines[0]} == *": up, 23 of 64 cores and 3G of 64G used" ]]
    [[ $output == *"package 1"*"  numa 7 "* ]]
    [[ $output == *"local/$wide: cores 8-23 (numa 1-2)"* ]]
    [ "$(awk '{ if (length($0) > n) n = length($0) } END { print n }' <<<"$output")" -le 80 ]
    [ "$(grep -c ' | ' <<<"$output")" = 8 ] # two caches in each of the NUMA nodes
    run -0 chipq nodes --topology --json
    run -0 python3 -c 'import json,sys
n = json.load(sys.stdin)["nodes"][0]
on = lambda job: [p["core"] for p in n["places"] if p.get("job") == job]
print(len(n["numa"]), on(int(sys.argv[1])) == list(range(8, 24)), sum(p["use"] == "idle" for p in n["places"]),
      sum(x["mem_used_mib"] for x in n["numa"]), sum(x["mem_mib"] for x in n["numa"]))' "$wide" <<<"$output"
    [ "$output" = "8 True 41 3072 65536" ]
}

@test "others' jobs are busy, without number or name; one's own are there" {
    CHIPQ_KEY=$key_a held hush --cores 2
    theirs=$job
    for words in "nodes --topology" "nodes --topology --json"; do
        run -0 chipq --key "$key_b" $words
        [[ $output == *busy* && $output != *alpha* && $output != *hush* && $output != *'"job"'* ]]
        run -0 chipq --key "$key_a" $words
        [[ $output == *alpha* && $output == *"$theirs"* && $output != *busy* ]]
    done
    CHIPQ_KEY=$key_a chipq cancel "$theirs"
}

@test "--topology draws or gives JSON, nothing else" {
    run -2 chipq nodes --topology --format name
    [[ $output == *"--topology"* ]]
    run -2 chipq nodes --topology --jsonl
}

@test "a strict wish waits rather than be split" {
    machine snc.xml
    held most --cores 3 --mem 1G
    held more --cores 3 --mem 1G
    job=$(chipq submit --cores 2 --mem 1G --topo 'pack:numa!' -- true)
    jobs+=("$job")
    [ "$(field "$job" state)" = pending ]
    run -0 chipq submit --cores 2 --mem 1G --wait -- true
}

synthetic() { # synthetic [OPTIONS...]: two sockets of two NUMA nodes of four caches of eight cores, 64G, 16G a node
    worker_again chipq-execd --dir "$CHIPQ_DIR" --ready-fd 5 -- --mem 64G \
        --topology "synthetic:package:2 numa:2 l3:4 core:8 pu:2" "$@"
}

@test "what insists on a place that no machine has is refused, with what could be instead" {
    synthetic
    run -4 chipq submit --cores 2 --mem 40G --topo 'pack:socket!' -- true
    [[ $output == *"no machine can ever place 2 cores with 40960M as strictly as 'pack:socket!' (the largest socket has 64 cores and 32768M); write the same without '!'"* ]]
    run -4 chipq submit --cores 2 --mem 20G --topo 'pack:l3!' -- true
    [[ $output == *"(the largest L3 cache has 8 cores, and the memory beside it is 16384M); write --topo pack:socket! or the same without '!'"* ]]
    run -4 chipq submit --cores 4 --mem 20G --exclusive numa -- true
    [[ $output == *"(the largest has 32 cores and 16384M); write --cores 64, or --exclusive socket, or --exclusive node"* ]]
    run -4 chipq submit --cores 65 --mem 1G --topo 'spread!' -- true
    [[ $output == *"jobs that are spread have at most half of a machine; the largest has 128 cores"* ]]
    held nine --cores 9 --mem 1G --topo 'pack:l3!' # one whole cache and a core of another
    [ "$(field "$job" core_ids)" = 0-8 ]
}

@test "what insists on being spread is spread, or waits and says why" {
    synthetic
    held half --cores 60 --mem 1G --topo spread
    job=$(chipq submit --cores 8 --mem 1G --topo 'spread!' -- true)
    jobs+=("$job")
    [ "$(field "$job" state)" = pending ]
    run -0 chipq why "$job"
    [[ $output == *"but not as --topo spread:numa! insists (spread jobs have at most half of a machine together)"* ]]
    held four --cores 4 --mem 1G --topo 'spread!'
    [ "$(field "$job" numa)" = 0-3 ]
}

@test "cores of the system are drawn in their place, and no job gets them" {
    synthetic --system-cores 0,8-9
    [ "$(chipq nodes --json | json nodes.0.cores)" = 125 ]
    run -0 chipq nodes --topology
    [[ $output == *"    0   sys    .    .    .    .    .    .    ."* ]]
    [[ $output == *"    8   sys  sys    .    .    .    .    .    ."* ]]
    [ "$(chipq nodes --topology --json | json nodes.0.places.0.use)" = system ]
    held all --cores 30 --mem 1G --topo 'pack:numa!'
    [ "$(field "$job" core_ids)" = 32-61 ] # the first node has but 29 for jobs
    held whole --cores 1 --exclusive numa --mem 1G
    [ "$(field "$job" core_ids)" = 64-95 ]
    run -4 chipq submit --cores 126 --mem 1G --topo 'pack:node!' --exclusive socket -- true
    [[ $output == *"no machine has whole sockets for 126 cores"* ]]
}

@test "a worker that cannot work as it is told stops, and says why in one line" {
    for words in "--topology synthetic:bogus|hwloc does not understand the topology 'synthetic:bogus'" \
        "--system-cores 0,x|--system-cores: '0,x' is not a range (character 3)" \
        "--system-cores 999|--system-cores names core 999; this machine has 0 to " \
        "--cores 4x|--cores: '4x' is not a whole number"; do
        mkdir "$T/bad" && chmod 700 "$T/bad"
        chipqd --dir "$T/bad" --init >/dev/null
        # shellcheck disable=SC2086
        run -2 timeout 20 chipq-execd --dir "$T/bad" -- ${words%|*}
        [[ $output == *"agent.start error=\"${words#*|}"* ]]
        [[ $output == *"execd.stop why="* ]]
        [ "$(grep -c agent.start <<<"$output")" = 1 ]
        rm -rf "$T/bad"
    done
}

@test "doctor says that a topology is made up" {
    synthetic
    run chipq doctor
    [[ $output == *"128 cores (a synthetic topology, not this machine's)"* ]]
    [[ $output == *"for tests only: start the worker without --topology"* ]]
}

@test "doctor says what ends a job's processes, and asks nobody for what they are" {
    worker_again env CHIPQ_KEEPER=subreaper CHIPQ_LIMITS=none chipq-execd --dir "$CHIPQ_DIR" --ready-fd 5 -- --mem 2G
    run chipq doctor
    [[ $output == *"subreaper; a job's processes are found by a walk of /proc"* ]]
    [[ $output != *"ends a job's whole process tree"* ]]
    [ "$(id -u)" != 0 ] || [[ $output != *"as root"* ]]
}

@test "each of the shapes can be a worker, and jobs run on it" {
    for shape in two-sockets:48 hybrid:14 snc:8 gpus:16; do
        machine "${shape%:*}.xml"
        [ "$(chipq nodes --json | json nodes.0.cores)" = "${shape#*:}" ]
        held "on-${shape%:*}" --cores 2 --mem 1G
        run -0 chipq nodes --topology
        [[ $output == *"local/$job: cores 0-1 (numa 0)"* ]]
        tell "$T/go" ""
        chipq wait "$job"
    done
    machine hybrid.xml
    run -0 chipq nodes --format features
    [[ $output == *"cores=performance:6,efficiency:8"* ]]
    run -0 chipq nodes --topology
    [[ $output == *" .  performance"*" .  efficiency"* ]]
}

@test "jobs that want a GPU go where one is, and wait where there are too few" {
    machine snc.xml
    job=$(chipq submit --mem 1G --node-has gpu -- true)
    jobs+=("$job")
    [ "$(field "$job" state)" = pending ]
    machine gpus.xml
    chipq wait "$job"
    run -0 chipq submit --mem 1G --node-has 'gpu>=2,gpu-nvidia' --wait -- true
    job=$(chipq submit --mem 1G --node-has 'gpu-amd>=2' -- true)
    jobs+=("$job")
    [ "$(field "$job" state)" = pending ]
    run -0 chipq nodes --topology
    [[ $output == *"gpu 2  amd:740f@0000:8a:00.0 (numa 1)"* ]]
    [ "$(chipq nodes --topology --json | json nodes.0.gpus.1.numa)" = 0 ]
    [ "$(chipq nodes --json | json nodes.0.gpus.0)" = "nvidia:20b0@0000:3b:00.0 (numa 0)" ]
    run -0 chipq nodes --format features
    [[ $output == *"gpu=3,gpu-nvidia=2,gpu-amd=1"* ]]
}

@test "a worker that is kept to one processor offers that one, under its own number, and runs jobs there" {
    [ "$(nproc)" -ge 2 ] || skip "this machine has one processor"
    last=$(taskset -pc $$ | grep -oE '[0-9]+$')
    worker_again taskset -c "$last" chipq-execd --dir "$CHIPQ_DIR" --ready-fd 5 -- --mem 2G
    [ "$(chipq nodes --json | json nodes.0.cores)" = 1 ]
    core=$(chipq nodes --topology --json | json nodes.0.places.0.core)
    job=$(chipq submit -- grep Cpus_allowed_list /proc/self/status)
    chipq wait "$job"
    [ "$(field "$job" core_ids)" = "$core" ]
    run -0 chipq logs "$job"
    [[ $output == *[[:space:]]"$last" ]]
}
