#!/usr/bin/env bats
# Shares on a real pool: companies that all want more than there is get what their weights say, in core time as it is
# charged, whatever the length of their tasks; so do the projects of one company.
# alone: it measures what each got of the processors
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
    export ADMIN=$CHIPQ_DIR/keys/admin.key
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

admin() { chipq --key "$ADMIN" "$@"; }
as() { # as ENTERPRISE COMMAND...
    local key=$CHIPQ_DIR/$1-dan.key
    shift
    chipq --key "$key" "$@"
}

company() { # company NAME WEIGHT: with a designer dan
    pool_as "$1/dan" designer >/dev/null
    admin admin enterprise set "$1" --weight "$2" >/dev/null
}

# backlog ENTERPRISE PROJECT SECONDS [N FIFO]: more tasks of that length than will run; each N-th says when it is done.
backlog() {
    as "$1" submit --array 1-20000 --hold --project "$2" --mem 64M --name backlog -- \
        sh -c 'sleep "$1"; [ $((CHIPQ_TASK % $2)) != 0 ] || echo "$CHIPQ_TASK" >"$3"' sh "$3" "${4-100000}" "${5-/dev/null}"
}

# parts BY ENTERPRISES: "NAME PERCENT TASKS" for each row of `usage`: its part of their core time. Shown as well.
parts() {
    admin usage --all --by "$1" --json | python3 -c 'import json,sys
by, names = sys.argv[1], sys.argv[2].split(",")
rows = [r for r in json.load(sys.stdin)["usage"] if r["enterprise"] in names]
total = sum(r["core_hours"] for r in rows)
for r in rows:
    name = r["enterprise"] if by == "enterprise" else r["enterprise"] + "/" + r["project"]
    print(name, round(100 * r["core_hours"] / total, 2), r["attempts"])' "$1" "$2" | tee /dev/fd/3
}

# later: the parts of what was used since $CHIPQ_DIR/before was written.
later() {
    admin usage --all --by enterprise --json | python3 -c 'import json,sys
was, now = ({r["enterprise"]: r["core_hours"] for r in json.load(f)["usage"]} for f in (open(sys.argv[1]), sys.stdin))
more = {k: v - was.get(k, 0) for k, v in now.items()}
for k, v in sorted(more.items()):
    print(k, round(100 * v / sum(more.values()), 2))' "$CHIPQ_DIR/before" | tee /dev/fd/3
}

# near NAME PERCENT POINTS: of the lines in $output, the one of NAME is so near.
near() {
    awk -v name="$1" -v due="$2" -v points="$3" '$1 == name { off = $2 - due; found = 1 }
        END { exit !(found && off <= points && off >= -points) }' <<<"$output"
}

@test "three companies with weights 50, 30 and 20, all backlogged: their shares within 3 points" {
    company ares 50
    company boreas 30
    company ceres 20
    admin admin project add ares/fat --weight 3
    admin admin project add ares/thin --weight 1
    mkfifo "$CHIPQ_DIR/done"
    backlog ares fat 0.3 150 "$CHIPQ_DIR/done"
    backlog ares thin 0.3
    backlog boreas cpu 0.2
    backlog ceres cpu 0.5
    exec 8<>"$CHIPQ_DIR/done"
    as ares release 1 2
    as boreas release 1
    as ceres release 1
    IFS= read -r -t 300 line <&8 # a minute of a pool that is not disturbed
    [ "$line" = 150 ]
    run -0 parts enterprise ares,boreas,ceres
    near ares 50 3
    near boreas 30 3
    near ceres 20 3
    run -0 parts project ares,boreas,ceres
    near ares/fat 37.5 3
    near ares/thin 12.5 3
    run -0 --separate-stderr admin share --all --json
    python3 -c 'import json,sys
due = {s["path"]: s["due"] for s in json.load(sys.stdin)["shares"]}
want = {"ares": 0.5, "ares/fat": 0.375, "ares/thin": 0.125, "boreas": 0.3, "ceres": 0.2, "local": 0}
assert all(abs(due[k] - v) < 0.001 for k, v in want.items()), due' <<<"$output"
    exec 8>&-
}

@test "new weights hold from then on; who stops wanting leaves its part to the others by weight" {
    as ares cancel 2
    as ceres cancel 1
    as ares cancel 1
    as boreas cancel 1
    run as ares wait 1 2 --timeout 60s
    run as boreas wait 1 --timeout 60s
    run as ceres wait 1 --timeout 60s
    admin admin enterprise set boreas --weight 150 >/dev/null
    a=$(backlog ares fat 0.3)
    b=$(backlog boreas cpu 0.3 50 "$CHIPQ_DIR/done")
    exec 8<>"$CHIPQ_DIR/done"
    as ares release "$a"
    as boreas release "$b"
    IFS= read -r -t 200 line <&8 # what does not divide evenly goes round from then on
    [ "$line" = 50 ]
    admin usage --all --by enterprise --json >"$CHIPQ_DIR/before"
    IFS= read -r -t 200 line <&8
    [ "$line" = 100 ]
    IFS= read -r -t 200 line <&8
    [ "$line" = 150 ]
    run -0 later
    near boreas 75 5
    near ares 25 5
    exec 8>&-
    as ares cancel "$a"
    as boreas cancel "$b"
}
