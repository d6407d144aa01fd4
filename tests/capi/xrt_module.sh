#!/usr/bin/env bash
# The XRT module is found beside libonebit.so, wherever the program is: with the stub in its place the NPU opens, and then
# refuses an image whose cores have no machine code. usage: xrt_module.sh SOURCE WORK EXAMPLE LIBRARY STUB
set -euo pipefail
work=$2/xrt_module example=$3
models=("$1"/models/*.gguf)
rm -rf "$work"
mkdir -p "$work"
cp "$4" "$work/libonebit.so.0"
try() {
  if LD_LIBRARY_PATH=$work "$example" "${models[0]}" "a" 1 npu 2>"$work/err"; then echo "an NPU without machine code ran"; exit 1; fi
}
try
if grep "has no machine code" "$work/err"; then echo "a module was found before it was there"; exit 1; fi
cp "$5" "$work/libonebit_xrt.so"
try
grep "has no machine code" "$work/err"
