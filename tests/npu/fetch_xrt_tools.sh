#!/bin/sh
# Fetches XRT's file tools (xclbinutil, aiebu-dump), libxrt and its headers from Debian sid into DIRECTORY without
# installing anything: they bring their own libc and loader, so they run on an older Debian too.
#   tests/npu/fetch_xrt_tools.sh DIRECTORY    then: NPU_XRT_ROOT=DIRECTORY/root ctest -L npu-tools
# The lists are signed, but a mirror that is some weeks old is taken too: these tools only judge our files.
# Exit status 77: the mirror (DEBIAN_MIRROR) cannot be reached. A DIRECTORY that is complete is left as it is.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
mkdir -p "$1/lists/partial" "$1/cache/archives/partial" "$1/root"
dir=$(cd "$1" && pwd)
[ ! -e "$dir/complete" ] || { echo "tools in $dir/root"; exit 0; }
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror sid main" > "$dir/sources.list"
cat > "$dir/apt.conf" <<EOT
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$dir/lists";
Dir::Cache "$dir/cache";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
Acquire::http::Timeout "30";
EOT
apt-get -c "$dir/apt.conf" update || { echo "$mirror cannot be reached"; exit 77; }
cd "$dir/cache/archives"
boost=$(apt-cache -c "$dir/apt.conf" depends libxrt-utils | sed -n 's/.*libboost-filesystem\([0-9.]*\).*/\1/p' | head -1)
apt-get -c "$dir/apt.conf" download libxrt-utils libxrt2 libxrt-npu2 libxrt-dev libxrt-utils-npu \
  "libboost-filesystem$boost" "libboost-program-options$boost" "libboost-atomic$boost" \
  libc6 libgcc-s1 libssl3t64 libstdc++6 libuuid1 uuid-dev libzstd1 zlib1g
for package in *.deb; do dpkg -x "$package" "$dir/root"; done
touch "$dir/complete"
echo "tools in $dir/root"
