#!/bin/sh
# Fetches XRT's file tools (xclbinutil, aiebu-dump, libxrt) from Debian sid into DIRECTORY without
# installing anything: they bring their own libc and loader, so they run on an older Debian too.
#   tests/npu/fetch_xrt_tools.sh DIRECTORY    then: NPU_XRT_ROOT=DIRECTORY/root ctest -L npu-tools
set -eu
[ $# -eq 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
mkdir -p "$1/lists/partial" "$1/cache/archives/partial" "$1/root"
dir=$(cd "$1" && pwd)
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror sid main" > "$dir/sources.list"
cat > "$dir/apt.conf" <<EOF
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$dir/lists";
Dir::Cache "$dir/cache";
APT::Sandbox::User "root";
EOF
apt-get -c "$dir/apt.conf" update
cd "$dir/cache/archives"
boost=$(apt-cache -c "$dir/apt.conf" depends libxrt-utils | sed -n 's/.*libboost-filesystem\([0-9.]*\).*/\1/p' | head -1)
apt-get -c "$dir/apt.conf" download libxrt-utils libxrt2 libxrt-npu2 libxrt-dev libxrt-utils-npu \
  "libboost-filesystem$boost" "libboost-program-options$boost" "libboost-atomic$boost" \
  libc6 libgcc-s1 libssl3t64 libstdc++6 libuuid1 libzstd1 zlib1g
for package in *.deb; do dpkg -x "$package" "$dir/root"; done
echo "tools in $dir/root"
