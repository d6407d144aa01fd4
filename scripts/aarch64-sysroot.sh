#!/usr/bin/env bash
# Unpacks the arm64 libraries we link (not installing them: the system's packages stay as they are).
# usage: scripts/aarch64-sysroot.sh DIR
set -euo pipefail
dir=$(realpath -m "$1")
[ ! -f "$dir/complete" ] || exit 0
rm -rf "$dir"
mkdir -p "$dir"/apt/{lists/partial,archives/partial}
touch "$dir/apt/status"
apt=(apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=""
     -o Dir::State="$dir/apt" -o Dir::State::status="$dir/apt/status" -o Dir::Cache="$dir/apt"
     -o APT::Update::Post-Invoke::="" -o Acquire::Languages=none -o Acquire::Retries=3)
"${apt[@]}" update || true
(cd "$dir/apt/archives" &&
 "${apt[@]}" download libfmt-dev libfmt9 libpcre2-dev libpcre2-8-0 libpcre2-16-0 libpcre2-32-0 libpcre2-posix3 libgtest-dev googletest nlohmann-json3-dev \
   libcurl4-openssl-dev libcurl4 libcpp-httplib-dev libcpp-httplib0.11 libssl-dev libssl3 libbrotli-dev libbrotli1 zlib1g-dev zlib1g)
for deb in "$dir"/apt/archives/*.deb; do dpkg-deb -x "$deb" "$dir"; done
rm -rf "$dir/apt"
touch "$dir/complete"
