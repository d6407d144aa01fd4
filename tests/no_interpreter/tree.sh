#!/usr/bin/env bash
# No Python in the tree: no file of that kind, no script that asks for it, no build rule that looks for it.
# usage: tree.sh SOURCE
set -euo pipefail
cd "$1"
if [ -e .git ]; then
  mapfile -t files < <(git -c safe.directory='*' ls-files)
else
  mapfile -t files < <(find . -type f -not -path './build/*' -printf '%P\n')
fi
if [ ${#files[@]} -lt 20 ]; then echo "only ${#files[@]} files seen in $1"; exit 1; fi

bad=0
say() { echo "$1"; bad=1; }
for f in "${files[@]}"; do
  [ -f "$f" ] || continue
  case ${f,,} in
    *.py | *.pyc | *.pyo | *.pyw | *.pyx | *.ipynb | *.whl | */__pycache__/* | requirements*.txt | pyproject.toml)
      say "$f: a file of Python" ;;
  esac
  first=$(head -c 80 "$f" | head -n 1 | tr -d '\0')
  [[ $first != '#!'*python* && $first != '#!'*perl* && $first != '#!'*ruby* ]] || say "$f: $first"
  case $f in
    tests/no_interpreter/* | scripts/no-interpreter.sh) ;;
    *CMakeLists.txt | *.cmake | *Makefile | *.mk | *.sh | .ci/* | *CMakePresets.json | */package.json)
      if grep -niE '\b(python|perl|pip3?|pybind)[0-9.]*\b' "$f"; then say "$f: names an interpreter"; fi ;;
  esac
done
echo "${#files[@]} files looked at"
exit $bad
