# shellcheck shell=bash
# What every script here shares: the project's root, words to the reader, root's rights, packages.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Where set-up keeps what it made, so that a second run has nothing to do.
export target=${CARGO_TARGET_DIR:-$root/target}
export cache=$target/setup
export PATH=$PATH:$HOME/.cargo/bin:/usr/sbin:/sbin
cd "$root" || exit

say() { printf '==> %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: as it is, or through sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        die "this needs root: \`$*\`. Run it as root, or install sudo, and start again."
    fi
}

# apt-get that asks nothing and waits for a first boot's own upgrades to let go of the lock.
apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"; }

apt_update() {
    local try
    for try in 1 2 3; do
        say "reading the package lists"
        apt update && return
        sleep $((try * 5))
    done
    die "apt-get update failed: look at the lines above, and at /etc/apt/sources.list.d"
}

has_package_lists() { compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; }

# Runs a command while packages that bring a service do not start it (see invoke-rc.d(8)). Who has a
# policy of their own keeps it.
without_starting_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    [ ! -e $policy ] || { "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    # In a subshell, so that giving up takes the policy away too.
    ("$@") || status=$?
    as_root rm -f $policy
    return $status
}

# Installs the named packages; reads the lists anew when there are none, or when they are too old to
# name files that still exist.
install_packages() {
    [ $# -gt 0 ] || return 0
    has apt-get || die "please install what this system calls: $*"
    has_package_lists || apt_update
    say "installing $*"
    apt install --yes --no-install-recommends "$@" >/dev/null && return
    apt_update
    apt install --yes --no-install-recommends "$@" >/dev/null || die "could not install: $*"
}
