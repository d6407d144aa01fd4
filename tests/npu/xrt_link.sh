#!/bin/sh
# Compiles the NPU runtime's libxrt implementation against the headers of the real XRT, links it with the real library,
# and loads it: with libxrt, where it has to find the NPU or say why not, and without, where the program has to say so.
#   xrt_link.sh SOURCE WORK NPU_PROBE CMAKE_ARGUMENT...
# XRT: from NPU_XRT_ROOT, else fetched (fetch_xrt_tools.sh). Exit status 77: neither is to be had.
set -u
[ $# -ge 3 ] || { echo "usage: $0 SOURCE WORK NPU_PROBE CMAKE_ARGUMENT..." >&2; exit 2; }
source=$1 work=$2 probe=$3
shift 3
mkdir -p "$work"
fail() { echo "FAILED  $*"; exit 1; }

root=${NPU_XRT_ROOT:-}
if [ ! -e "$root/usr/include/uuid/uuid.h" ] || [ ! -e "$root/usr/include/xrt/xrt_hw_context.h" ]; then
  [ -z "${ONEBIT_OFFLINE:-}" ] || { echo "ONEBIT_OFFLINE is set and NPU_XRT_ROOT has no XRT headers: nothing compiled"; exit 77; }
  "$source/tests/npu/fetch_xrt_tools.sh" "$work/xrt" > "$work/fetch.log" 2>&1
  status=$?
  [ $status -eq 0 ] || { tail -3 "$work/fetch.log"; [ $status -eq 77 ] && { echo "no XRT to compile against"; exit 77; }; fail "fetching XRT"; }
  root=$work/xrt/root
fi
libraries=$root/usr/lib/x86_64-linux-gnu
echo "XRT in $root: $(sed -n 's/.*xrt_build_version.*"\(.*\)".*/\1/p' "$root/usr/include/xrt/detail/version-slim.h")"

build=$work/build
rm -rf "$build"
cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DONEBIT_TOOLS=OFF "-DONEBIT_XRT_ROOT=$root" -DCMAKE_SKIP_RPATH=ON "$@" > "$work/log" 2>&1 \
  && cmake --build "$build" --target onebit_xrt >> "$work/log" 2>&1 || { tail -30 "$work/log"; fail "compiling and linking libonebit_xrt.so"; }
module=$build/libonebit_xrt.so
echo "ok      compiled and linked, no symbol left undefined"
objdump -p "$module" | grep -q 'NEEDED *libxrt_coreutil.so.2' || fail "libonebit_xrt.so does not name libxrt_coreutil.so.2"
echo "ok      needs libxrt_coreutil.so.2"

# The probe and the module with XRT's own C library, then with this machine's, which has no libxrt.
found=$("$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:/usr/lib/x86_64-linux-gnu" "$probe" "$module")
case $found in
  "NPU: "?* | "error: xrt::device: "*"("*")") echo "ok      with libxrt: $found" ;;
  *) fail "with libxrt: $found" ;;
esac
found=$("$probe" "$module")
case $found in
  "error: cannot load the XRT module: libxrt_coreutil.so.2: "*) echo "ok      without: $found" ;;
  "NPU: "?* | "error: xrt::device: "*) echo "ok      this machine has libxrt: $found" ;;
  *) fail "without libxrt: $found" ;;
esac

# A root without XRT, and one with an XRT before 2.20.
rm -rf "$work/old" "$work/none"
mkdir -p "$work/old/include/xrt/detail" "$work/old/lib"
if cmake -S "$source" -B "$work/none" -G Ninja -DONEBIT_TOOLS=OFF "-DONEBIT_XRT_ROOT=$work/old/lib" "$@" > "$work/log" 2>&1; then fail "a root without XRT is accepted"; fi
tr -s '\n ' ' ' < "$work/log" | grep -q 'XRT not found:' || fail "a root without XRT: $(tail -5 "$work/log")"
echo "ok      a root without XRT is refused"
mkdir -p "$work/old/usr/include/uuid" "$work/old/usr/lib"
touch "$work/old/include/xrt/xrt_hw_context.h" "$work/old/lib/libxrt_coreutil.so" "$work/old/usr/include/uuid/uuid.h" "$work/old/usr/lib/libuuid.so.1"
echo 'static const char xrt_build_version[] = "2.13.0";' > "$work/old/include/xrt/detail/version-slim.h"
rm -rf "$work/none"
if cmake -S "$source" -B "$work/none" -G Ninja -DONEBIT_TOOLS=OFF "-DONEBIT_XRT_ROOT=$work/old" "$@" > "$work/log" 2>&1; then fail "XRT 2.13 is accepted"; fi
tr -s '\n ' ' ' < "$work/log" | grep -q 'version 2.13.0' || fail "XRT 2.13: $(tail -5 "$work/log")"
echo "ok      XRT 2.13 is refused"
