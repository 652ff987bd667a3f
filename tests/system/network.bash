# Loaded after pool.bash by tests that put something between chipqd and its peers.
#   chipqd_up                        chipqd alone, without the worker that `chipq up` starts; its TCP ports are in
#                                    $CLIENT_PORT and $WORKER_PORT when chipq.conf has listen-… with port *
#   machine_up NAME ENDPOINT [RUN]   a worker with a key of its own; RUN is a command that starts it (nsenter)
#   proxy_up NAME PORT, proxy NAME COMMAND...   tests/fault/cqproxy; its port is in $PORT
# shellcheck shell=bash

chipqd_up() { # chipqd_up [RUN...]
    mkfifo "$CHIPQ_DIR/ready"
    "$@" chipqd --ready-fd 7 7>"$CHIPQ_DIR/ready" 2>>"$CHIPQ_DIR/log/chipqd.log" 3>&- &
    CHIPQD=$!
    read -r -t 20 _ <"$CHIPQ_DIR/ready"
    rm "$CHIPQ_DIR/ready"
    CLIENT_PORT=$(sed -n 's/.*listen port=client endpoint=.*:\([0-9]*\)$/\1/p' "$CHIPQ_DIR/log/chipqd.log" | tail -n 1)
    WORKER_PORT=$(sed -n 's/.*listen port=worker endpoint=.*:\([0-9]*\)$/\1/p' "$CHIPQ_DIR/log/chipqd.log" | tail -n 1)
}

# machine_up NAME ENDPOINT CORES [RUN...]: returns when chipqd has welcomed it.
machine_up() {
    local name=$1 endpoint=$2 cores=$3 home=$CHIPQ_DIR/$1
    shift 3
    if [ ! -d "$home" ]; then
        mkdir -m 0700 "$home"
        chipq --key "$CHIPQ_DIR/keys/admin.key" admin worker add "$name" --endpoint "$endpoint" \
            --key-out "$home.key" >/dev/null
    fi
    mkfifo "$home/ready"
    "$@" chipq-execd --dir "$home" --key "$home.key" --ready-fd 7 -- --node "$name" --cores "$cores" --mem 512M \
        7>"$home/ready" 2>>"$home/log" 3>&- &
    echo $! >"$home/pid"
    read -r -t 20 _ <"$home/ready"
    rm "$home/ready"
}

machine_down() {
    local pid
    pid=$(cat "$CHIPQ_DIR/$1/pid" 2>/dev/null) || return 0
    rm "$CHIPQ_DIR/$1/pid"
    kill "$pid" 2>/dev/null || return 0
    wait_gone "$pid"
}

# says FILE TEXT [MORE-THAN]: the log has more than so many lines with it (0), at the latest in 20 s.
says() {
    [ "$(grep -m $((${3-0} + 1)) -c -e "$2" < <(timeout 20 tail -n +1 -F "$1" 2>/dev/null 3>&-))" -gt "${3-0}" ]
}

said() { # said FILE TEXT: how often
    grep -c -e "$2" "$1" || true
}

proxy_up() {
    mkfifo "$CHIPQ_DIR/$1.port"
    "$CHIPQ_ROOT/tests/fault/cqproxy" --to "127.0.0.1:$2" --control "$CHIPQ_DIR/$1.proxy" 3>&- >"$CHIPQ_DIR/$1.port" &
    echo $! >"$CHIPQ_DIR/$1.proxy.pid"
    read -r -t 10 PORT <"$CHIPQ_DIR/$1.port"
}

proxy_down() {
    local pid
    pid=$(cat "$CHIPQ_DIR/$1.proxy.pid" 2>/dev/null) || return 0
    kill "$pid" && wait_gone "$pid"
}

proxy() {
    local name=$1
    shift
    "$CHIPQ_ROOT/tests/fault/cqproxy" --tell "$CHIPQ_DIR/$name.proxy" "$@"
}

count() { # count NAME WHAT: one of the proxy's counts
    proxy "$1" counts | tr ' ' '\n' | sed -n "s/^$2=//p"
}

node_is() { # node_is NAME STATE: at the latest in 20 s
    timeout 20 sh -c 'until chipq nodes --json | python3 -c "import json,sys
nodes = json.load(sys.stdin)
nodes = nodes[\"nodes\"] if isinstance(nodes, dict) else nodes
sys.exit(not any(n[\"name\"] == sys.argv[1] and n[\"state\"] == sys.argv[2] for n in nodes))" "$1" "$2"; do :; done' sh "$1" "$2"
}
