#!/bin/sh
# Unpacks the packages "NAME:ARCH" of a list into DIR/sysroot, with apt's
# sources and keys but lists of its own: nothing is installed, no root needed.
# Usage: sysroot.sh ARCH LIST DIR
set -eu
arch=$1 list=$2 dir=$3
names=$(sed -n "s/:$arch\$//p" "$list")
stamp=$dir/sysroot/.done
[ -e "$stamp" ] && [ ! "$list" -nt "$stamp" ] && exit 0

mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$dir/debs"
dir=$(realpath "$dir")
: >"$dir/apt/status"
apt() {
	apt-get -qq -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" \
	    -o "Dir::State::lists=$dir/apt/lists" \
	    -o "Dir::State::status=$dir/apt/status" \
	    -o "Dir::Cache=$dir/apt/cache" -o APT::Sandbox::User=root "$@"
}
apt update
rm -rf "$dir/sysroot" "$dir"/debs/*
mkdir -p "$dir/sysroot"
# shellcheck disable=SC2086 # a list of names
(cd "$dir/debs" && apt download $names)
for deb in "$dir"/debs/*.deb; do
	dpkg-deb -x "$deb" "$dir/sysroot"
done
rm -rf "$dir/apt" "$dir/debs"
: >"$stamp"
