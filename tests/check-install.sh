#!/bin/sh
# check-install.sh: installs into a scratch folder, runs what was installed, uninstalls, and finds nothing left.
# usage: tests/check-install.sh BUILD
set -eu
build=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
make -s O="$build" DESTDIR="$scratch" PREFIX=/usr install
"$scratch/usr/bin/shuntctl" version || [ $? -eq 3 ]
"$scratch/usr/sbin/shuntd" --version
[ -s "$scratch/usr/share/man/man1/shuntctl.1" ]
make -s O="$build" DESTDIR="$scratch" PREFIX=/usr uninstall
left=$(find "$scratch" ! -type d)
[ -z "$left" ] || { echo "check-install: left behind: $left" >&2; exit 1; }
echo "check-install: nothing left"
