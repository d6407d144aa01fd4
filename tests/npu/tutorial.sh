#!/usr/bin/env bash
# tutorial.sh SOURCE_DIR ONEBIT EXAMPLE: the tutorial's code is that of the files it names, its commands work, and what it
# says the example prints, the example prints.
set -euo pipefail
source=$1 onebit=$2 example=$3
doc=$source/docs/npu-programming.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

blocks=0 commands=0 from="" block="" inside="" output=""
while IFS= read -r line || [ -n "$line" ]; do
  case $inside in
    "")
      case $line in
        '<!-- '*' -->') from=${line#<!-- } from=${from% -->} ;;
        '```cpp') inside=cpp block="" ;;
        '```sh') inside=sh ;;
        '```') inside=text ;;
      esac ;;
    *)
      if [ "$line" = '```' ]; then
        if [ $inside = cpp ]; then
          [ -n "$from" ] || { echo "a block of code without a file: $block"; exit 1; }
          text=$(<"$source/$from")
          [[ $text == *"$block"* ]] || { echo "not in $from:"; echo "$block"; exit 1; }
          blocks=$((blocks + 1)) from=""
        fi
        inside=""
        continue
      fi
      case $inside in
        cpp) block+=${block:+$'\n'}$line ;;
        text)  # simulated times change with the time model
          [ "${line%,*(simulated)}" = "${output%,*(simulated)}" ] || { echo "the tutorial shows '$line', the command printed '$output'"; exit 1; } ;;
        sh)
          case $line in
            build/release/onebit*) command=("$onebit" ${line#build/release/onebit }) ;;
            build/release/examples/npu_kernel/npu_kernel_example*) command=("$example" ${line#*npu_kernel_example }) ;;
            *) continue ;;  # installing and building: done by whoever runs this test
          esac
          output=$(cd "$work" && "${command[@]}") || { echo "failed: $line"; echo "$output"; exit 1; }
          commands=$((commands + 1)) ;;
      esac ;;
  esac
done < "$doc"
[ $blocks -ge 5 ] && [ $commands -ge 8 ] || { echo "only $blocks blocks and $commands commands found"; exit 1; }
echo "ok: $blocks blocks of code, $commands commands"
