#!/usr/bin/env bats
# examples/licence/flexlm-feed: recorded texts of lmstat become lines of a licence feed, or nothing.
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_DIRNAME/../../examples/licence" || return 1
}

# Writes standard input to a file and runs the script on it.
feed_of() {
    cat >"$BATS_TEST_TMPDIR/text"
    run --separate-stderr ./flexlm-feed "$@" "$BATS_TEST_TMPDIR/text"
}

@test "a recorded text: used tokens of each feature, added up over the servers" {
    run --separate-stderr ./flexlm-feed lmstat.txt
    [ "$status" -eq 0 ]
    [ "$output" = "vcs 7
vcs-debug 1
dc 0
dc-2019 3" ]
    [ -z "$stderr" ]
}

@test "--feature picks, renames, and adds up what gets the same name" {
    run -0 ./flexlm-feed --feature vcs --feature drc+lvs=drc lmstat.txt
    [ "$output" = "vcs 7
drc 9" ]
    run -0 ./flexlm-feed --feature vcs=sim --feature vcs-debug=sim lmstat.txt
    [ "$output" = "sim 8" ]
}

@test "a command after -- is run and read; its failure is one" {
    run -0 ./flexlm-feed -- cat lmstat.txt
    [ "${lines[0]}" = "vcs 7" ]
    run -1 --separate-stderr ./flexlm-feed -- sh -c 'cat lmstat.txt; exit 4'
    [ -z "$output" ]
    [[ $stderr == *"sh ended with status 4"* ]]
}

@test "one server of two does not answer: no numbers, and the reason" {
    run -1 --separate-stderr ./flexlm-feed lmstat-down.txt
    [ -z "$output" ]
    [[ $stderr == *"no feature of 27010@lic2 (lmgrd is not running: Cannot connect to license server system."* ]]
}

@test "no status, a vendor daemon that is down, a line that cannot be understood: no numbers" {
    feed_of <<<'Error getting status: Cannot connect to license server system. (-15,570:111 "Connection refused")'
    [ "$status" -eq 1 ] && [ -z "$output" ]
    [[ $stderr == *"Error getting status"* ]]
    feed_of <<<'Users of vcs:  (Total of 2 licenses issued;  Total of 1 license in use)
   layvend: The desired vendor daemon is down. (-97,121)'
    [ "$status" -eq 1 ] && [ -z "$output" ]
    [[ $stderr == *"vendor daemon is down"* ]]
    feed_of <<<'Users of vcs:  (Total of 2 licenses issued;  Total of 1 license in use)
Users of dc: Cannot get users of dc: No such feature exists. (-5,222)'
    [ "$status" -eq 1 ] && [ -z "$output" ]
    [[ $stderr == *"cannot make sense of: Users of dc"* ]]
    run -0 ./flexlm-feed --feature vcs "$BATS_TEST_TMPDIR/text" # dc is nobody's business then
    [ "$output" = "vcs 1" ]
}

@test "nothing of lmstat in it, a missing feature, a missing file: no numbers" {
    feed_of <<<'Segmentation fault'
    [ "$status" -eq 1 ] && [ -z "$output" ]
    [[ $stderr == *"is it from lmstat -a?"* ]]
    run -1 --separate-stderr ./flexlm-feed --feature vcs --feature hls lmstat.txt
    [ -z "$output" ]
    [[ $stderr == *"no feature hls in what lmstat says"* ]]
    run -1 --separate-stderr ./flexlm-feed nowhere.txt
    [[ $stderr == *"cannot read nowhere.txt"* ]]
}

@test "lines of Windows, names that chipq cannot hold" {
    feed_of <<<$'Users of vcs:  (Total of 2 licenses issued;  Total of 1 license in use)\r
Users of a+b:  (Total of 9 licenses issued;  Total of 9 licenses in use)\r'
    [ "$status" -eq 0 ]
    [ "$output" = "vcs 1" ]
}

@test "wrong calls are refused with the usage" {
    for call in "" "--frob x" "--feature" "--" "a b"; do
        # shellcheck disable=SC2086
        run -2 ./flexlm-feed $call
        [[ $output == *"usage: flexlm-feed"* ]]
    done
}
