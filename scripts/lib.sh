# Shared by scripts/*: where things are, quiet and once-only installation of what Debian must provide.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build_packages="build-essential cmake ninja-build pkg-config libzmq3-dev libevent-dev libhwloc-dev libmsgpack-dev
 libsqlite3-dev libyaml-dev libjansson-dev libbsd-dev libsodium-dev libcriterion-dev uthash-dev zlib1g-dev
 scdoc"
tool_packages="verilator g++ make yosys berkeley-abc opensta klayout qflow-tech-osu018 binutils-riscv64-unknown-elf"
test_packages="bats python3 nftables iproute2"

say() { printf '%s\n' "$*" >&2; }

# Installs the packages named that are missing; asks dpkg first, so that a second run costs milliseconds.
install_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { say "missing packages: ${missing[*]}"; say "install them as root: apt-get install ${missing[*]}"; return 1; }
        sudo=(sudo)
    fi
    say "installing ${#missing[@]} Debian packages (once): ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { "${sudo[@]}" apt-get -o DPkg::Lock::Timeout=500 -qq update \
        && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=500 -qq -y \
            install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        say "apt-get failed; its last lines:"
        tail -n 15 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# build_preset NAME [cmake options]: configures once, builds quietly; shows the log only when it fails.
build_preset() {
    local preset=$1 log
    shift
    log=$(mktemp)
    if ! { cd "$root" && cmake --preset "$preset" "$@" && cmake --build --preset "$preset"; } >"$log" 2>&1; then
        say "the $preset build failed:"
        grep -E -A8 'CMake Error|FAILED:|error:' "$log" | head -n 60 >&2 || tail -n 40 "$log" >&2
        rm -f "$log"
        return 1
    fi
    grep -E 'warning:' "$log" >&2 || true
    rm -f "$log"
}
