#!/usr/bin/env bash
# Installs the Debian packages a job needs, only those that are missing, and says which.
# usage: scripts/install-deps.sh GROUP...     groups: build clients clang lint npu capi rust gpu packages proxy neon
set -euo pipefail

# A package is missing when dpkg does not list it as installed; `COMMAND=PACKAGE` asks for a command
# on PATH instead, for tools that people also install from elsewhere.
wanted=()
for group in "$@"; do
  case $group in
    build) wanted+=(g++ cmake ninja-build git=git ca-certificates libfmt-dev nlohmann-json3-dev
                    libpcre2-dev libgtest-dev libcpp-httplib-dev libcurl4-openssl-dev libssl-dev) ;;
    clients) wanted+=(node=nodejs npm=npm chromium=chromium) ;;
    clang) wanted+=(clang-19 libclang-rt-19-dev) ;;
    lint) wanted+=(clang-19 clang-tidy-22 cppcheck) ;;
    npu) wanted+=(xilinx-bootgen) ;;
    capi) wanted+=(pkg-config=pkg-config abidiff=abigail-tools) ;;
    rust) wanted+=(rustc=rustc cargo=cargo cargo-clippy=rust-clippy) ;;
    gpu) wanted+=(clang-22 lld-22 llvm-22) ;;
    packages) wanted+=(debhelper dpkg-dev lintian debootstrap systemd-analyze=systemd curl=curl) ;;
    proxy) wanted+=(haproxy=haproxy curl=curl) ;;
    neon) wanted+=(g++-aarch64-linux-gnu qemu-user) ;;
    *) echo "install-deps: unknown group '$group', expected build, clients, clang, lint, npu, capi, rust, gpu, packages, proxy or neon" >&2; exit 2 ;;
  esac
done

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=()
for item in "${wanted[@]}"; do
  case $item in
    *=*) command -v "${item%%=*}" >/dev/null || missing+=("${item#*=}") ;;
    *) installed "$item" || missing+=("$item") ;;
  esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "install-deps: not a Debian system; please install: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-deps: not root and no sudo; as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "installing Debian packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 "$@" >>"$log" 2>&1; }
# The lists of some other source of packages may fail to refresh; the install decides.
apt update || true
if ! apt install -y --no-install-recommends "${missing[@]}"; then
  cat "$log" >&2
  echo "install-deps: apt-get could not install: ${missing[*]}" >&2
  exit 1
fi
