#!/bin/sh
# Runs an image on Hercules until its first CPU stops for good: ./run.sh [kernel|host] [list|reader]
# CPUS=N gives the machine N CPUs, MEMORY=N so many MB. Ends with 0 if all was well, else with 1.
cd "$(dirname "$0")" || exit 2
image=${1:-kernel}
from=${2:-list}
script=$image-$from.rc
if [ ! -f "$script" ]; then
    echo "error: no $script here; usage: ./run.sh [kernel|host] [list|reader]" >&2
    exit 2
fi
if ! command -v hercules >/dev/null; then
    echo "error: no hercules on PATH; on Debian: apt-get install hercules" >&2
    exit 2
fi
# An empty variable would count as a value.
[ -n "$CPUS" ] || unset CPUS
[ -n "$MEMORY" ] || unset MEMORY

: >run.log
HERCULES_RC=$script hercules -f hercules.cnf -d </dev/null >>run.log 2>/dev/null &
machine=$!
# It takes no notice of gentler signals while it is busy, and has nothing to lose.
trap 'kill -KILL "$machine" 2>/dev/null' EXIT
trap 'exit 130' INT TERM
# What an image ends with is a disabled wait, whose address says how.
tail -n +1 --pid="$machine" -f run.log | sed -u '/PSW=000[2A]/q' &
wait $!
grep -q 'PSW=00020001 80000000 0000000000000FFF' run.log
