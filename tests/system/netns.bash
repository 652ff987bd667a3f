# Loaded after network.bash by tests that cut real TCP connections: chipqd, two workers and the clients each have a
# network namespace, with a link of its own between chipqd's and each other one; nftables loses what is to be lost.
#   netns_up                   makes them, or skips where that is not permitted; netns_down removes them
#   in_ns NAME COMMAND...      NAME: d (chipqd), w1, w2 (workers), c (clients)
#   cut NAME both|in|out       nothing passes any more to (in) or from (out) that namespace; nobody is told
#   cut_port NAME PORT         the same for one connection alone: both ends believe that it is there
#   lossy NAME PERCENT         so much of what comes and of what goes is lost
#   heal NAME
# shellcheck shell=bash

NETNS_WORKER=tcp://10.77.1.1:7078 # as seen from w1; w2 has 10.77.2.1, c 10.77.3.1

netns_up() {
    local i=0 name
    command -v nft >/dev/null && command -v ip >/dev/null || skip "nft and ip are not installed (nftables, iproute2)"
    NETNS=cq$$
    export NETNS
    ip netns add "$NETNS-d" 2>/dev/null || skip "network namespaces are not permitted here"
    in_ns d ip link set lo up
    for name in w1 w2 c; do
        i=$((i + 1))
        ip netns add "$NETNS-$name"
        in_ns d ip link add "$name" type veth peer name eth0 netns "$NETNS-$name" || skip "veth is not permitted here"
        in_ns d ip addr add "10.77.$i.1/24" dev "$name"
        in_ns d ip link set "$name" up
        in_ns "$name" ip addr add "10.77.$i.2/24" dev eth0
        in_ns "$name" ip link set eth0 up
        in_ns "$name" ip link set lo up
    done
    in_ns w1 nft list tables >/dev/null 2>&1 || skip "nftables are not permitted here"
}

netns_down() {
    local name
    for name in d w1 w2 c; do
        ip netns delete "$NETNS-$name" 2>/dev/null || true
    done
}

# Not `ip netns exec`: that mounts /sys anew, and the control groups are gone.
in_ns() {
    local name=$1
    shift
    nsenter --net="/run/netns/$NETNS-$name" "$@"
}

rules() { # rules NAME WHAT-COMES WHAT-GOES
    in_ns "$1" nft -f - <<RULES
table inet chipq {
    chain comes { type filter hook input priority 0; iifname != "lo" $2; }
    chain goes { type filter hook output priority 0; oifname != "lo" $3; }
}
RULES
}

cut() {
    case $2 in
    both) rules "$1" drop drop ;;
    in) rules "$1" drop accept ;;
    out) rules "$1" accept drop ;;
    esac
}

cut_port() {
    rules "$1" "tcp dport $2 drop" "tcp sport $2 drop"
}

lossy() {
    rules "$1" "numgen random mod 100 < $2 drop" "numgen random mod 100 < $2 drop"
}

heal() {
    in_ns "$1" nft delete table inet chipq 2>/dev/null || true
}
