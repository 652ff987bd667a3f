#!/usr/bin/env bats
# The core decides and touches nothing: its archive refers to no clock, file, socket, thread, database or library
# of the outside, and its sources include nothing but base/pure and their own folder.
bats_require_minimum_version 1.5.0
load pool.bash

@test "the core's archive refers to base/pure and plain libc only" {
    archive=$(dirname "$CHIPQ_BIN")/scheduler/core/libcq_core.a
    [ -f "$archive" ]
    undefined=$(nm -u "$archive" | awk '$1 == "U" { print $2 }' | sort -u)
    [ -n "$undefined" ]
    forbidden='^(zmq_|event_|evutil_|sqlite3_|hwloc_|msgpack_|json_|pthread_|thrd_|mtx_|sem_|uv_|sodium_|crypto_|log_|clock_|loop_|files_'
    forbidden+='|time$|gettimeofday|nanosleep|usleep|sleep|timer|rand|random|drand|getrandom|arc4random'
    forbidden+='|open|fopen|fdopen|freopen|creat|close$|read$|write$|pread|pwrite|fread|fwrite|fprintf|printf|puts|fputs|perror|stdout|stderr'
    forbidden+='|fsync|mmap|ioctl|stat$|lstat|fstat|unlink|rename|mkdir|socket|connect|bind$|listen|accept$|send$|recv|poll|select|epoll'
    forbidden+='|fork|vfork|exec|system|popen|posix_spawn|kill$|signal|sigaction|getenv|secure_getenv|getpid|gethostname|dlopen)'
    run grep -E "$forbidden" <<<"$undefined"
    echo "forbidden: $output"
    [ "$status" -eq 1 ]
}

@test "the core's sources include nothing from outside" {
    cd "$CHIPQ_ROOT"
    run grep -hE '^#include' scheduler/core/*.c scheduler/core/*.h
    outside=$(grep -vE '"(scheduler/core|common/base/pure)/[a-z0-9_]+\.(h|def)"|<(assert|ctype|inttypes)\.h>' <<<"$output" || true)
    echo "outside: $outside"
    [ -z "$outside" ]
}

@test "each promise has a test, and each tag names a promise" {
    run "$CHIPQ_ROOT/scripts/promises"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ ${lines[-1]} == "14 promises, "*", 0 without one" ]]
}
