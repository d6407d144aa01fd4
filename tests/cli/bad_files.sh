#!/usr/bin/env bash
# Files that are no models: a message that names the file, status 1, nothing written.
source "$(dirname "$0")/lib.sh" "$@"

good=$work/good.gguf
onebit synth tiny "$good" --type TQ2_0 --seed 3
size=$(stat -c %s "$good")

mkdir "$work/directory.gguf"
: >"$work/empty.gguf"
echo 'It was the best of times, it was the worst of times' >"$work/text.gguf"
printf 'GGUF' >"$work/magic.gguf"
printf 'FUGG\3\0\0\0' >"$work/swapped.gguf"
printf 'GGUF\3\0\0\0\377\377\377\377\377\377\377\177\0\0\0\0\0\0\0\0' >"$work/counts.gguf"
printf 'GGUF\11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' >"$work/version.gguf"
head -c 65536 /dev/zero >"$work/zeros.gguf"
for at in 30 1000 $((size / 2)) $((size - 1)); do head -c "$at" "$good" >"$work/cut-$at.gguf"; done
mkfifo "$work/pipe.gguf"
ln -s nowhere "$work/dangling.gguf"

for file in missing dangling directory empty text magic swapped counts version zeros pipe \
            cut-30 cut-1000 "cut-$((size / 2))" "cut-$((size - 1))"; do
  path=$work/$file.gguf
  run 1 run -m "$path" -p hello -n 1
  has err "$file.gguf"
  [ ! -s "$work/out" ] || fail "run wrote to stdout for $file"
  run 1 info -m "$path"
  has err "$file.gguf"
  run 1 logits -m "$path" --ids "1 2"
  run 1 perplexity -m "$path" -f "$work/text.gguf"
  run 1 quantize "$path" "$work/made.gguf" TQ1_0
  [ ! -e "$work/made.gguf" ] || { fail "quantize left a file for $file"; rm -f "$work/made.gguf"; }
done
for file in missing directory empty text counts cut-30; do run 1 tokenize -m "$work/$file.gguf" -p hello --ids; done

# A vocabulary of another size, a name that is no model's.
run 1 run -m "$good" -f "$work/missing.txt"
has err "missing.txt"
run 1 logits -m "$good" --ids "1 99999999"
run 1 run -m "$good" -p hello -c 100000
has err "context"

# Output appears by rename: a destination that cannot be written leaves nothing, one that exists survives a failure.
run 1 synth tiny "$work/no/such/folder.gguf"
echo precious >"$work/precious.gguf"
run 1 quantize "$work/text.gguf" "$work/precious.gguf" TQ1_0
[ "$(cat "$work/precious.gguf")" = precious ] || fail "a failed quantize changed its destination"
if compgen -G "$work/*.partial" >/dev/null; then fail "a partial file is left: $(ls "$work"/*.partial)"; fi

finish
