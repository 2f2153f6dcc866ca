#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that Reeve needs; with --check only tells whether
# all are there (exit 0) or names what is missing (exit 1); with --bench also
# what `make bench` compares with.
set -u

BUILD="gcc make pkg-config protobuf-compiler protobuf-c-compiler
libprotobuf-c-dev libzmq3-dev libczmq-dev libcurl4-openssl-dev
libmicrohttpd-dev libhiredis-dev libjansson-dev libyaml-dev uthash-dev
libssl-dev libpcre2-dev libzookeeper-mt-dev libc6-dev
libjemalloc2"
RUN="redis-server redis-tools tar unzip"
TEST="libcriterion-dev python3 python3-zmq python3-protobuf curl procps
openssl"
BENCH="etcd-server zookeeper default-jre-headless libzookeeper-mt-dev"
[ "${1:-}" = --bench ] || BENCH=

missing=
for p in $BUILD $RUN $TEST $BENCH; do
    dpkg-query -W -f='${Status}\n' "$p" 2>/dev/null |
        grep -q 'ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if [ "${1:-}" = --check ]; then
    echo "missing Debian packages:$missing"
    exit 1
fi

if ! command -v apt-get >/dev/null 2>&1; then
    echo "reeve: this machine has no apt-get; install by hand:$missing" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "reeve: packages are missing and neither root nor sudo is" \
            "there; ask an administrator to run:" >&2
        echo "    apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "reeve: installing$missing"
# A policy that says no keeps Debian from starting its own redis-server on the
# default port; Reeve starts the one it needs itself.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null &&
        $as_root chmod 755 $policy && made=1
fi
status=0
# shellcheck disable=SC2086
if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
    --no-install-recommends $missing; then
    $as_root apt-get update -q &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
            --no-install-recommends $missing || status=1
fi
[ -n "$made" ] && $as_root rm -f $policy
if [ $status != 0 ]; then
    echo "reeve: apt-get could not install the packages (is there a network?);" \
        "missing:$missing" >&2
fi
exit $status
