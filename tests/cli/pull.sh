#!/usr/bin/env bash
# Models from files and from a server on loopback into a store, and out of it again.
# usage: pull.sh SOURCE WORK SERVER ONEBIT...      SERVER: the program store_test_server
server=$3
set -- "$1" "$2" "${@:4}"
source "$(dirname "$0")/lib.sh" "$@"
unset HF_TOKEN HF_ENDPOINT http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
export ONEBIT_MODELS=$work/models ONEBIT_SYSTEM_MODELS=$work/system

model=$(box_model)
digest=$(sha256sum "$model" | cut -d' ' -f1)
nothing_left() { [ -z "$(ls -A "$ONEBIT_MODELS" 2>/dev/null)" ] || fail "$1 left $(ls -A "$ONEBIT_MODELS")"; }

# serve MODE: starts the server, its address in $url; unserve ends it.
serve() { coproc SERVER { exec "$server" "$1" "$model"; }; read -r url <&"${SERVER[0]}"; }
unserve() { local pid=$SERVER_PID; exec {SERVER[1]}>&-; wait "$pid" || true; }

run 0 list --quiet
has out bitnet-2b-4t
run 0 pull "file://$model" --name box --sha256 "$digest"
run 0 list --filter installed --quiet
echo box | cmp -s - "$work/out" || fail "list --quiet gave $(cat "$work/out")"
run 0 list --json --quiet --filter installed
has out '{"models":[{"name":"box","installed":true,'
[ "$(wc -l <"$work/out")" -eq 1 ] || fail "list --json --quiet is more than a line"
run 0 list --json --filter not-installed
has out '"name": "bitnet-2b-4t"'
run 0 show box --json --verify
has out "$digest"
has out '"verified": true'
run 0 run -m box -p "In the" -n 8 --temp 0 --quiet
cp "$work/out" "$work/by-name"
run 0 run -m "$model" -p "In the" -n 8 --temp 0 --quiet
same "$work/by-name" "$work/out" "a model by name and by file"
run 0 pull "file://$model" --name box --json
has out '"already_there": true'
run 1 pull "file://$model" --name box --force --sha256 "${digest//[0-9]/0}"
has err "expected ${digest//[0-9]/0}"
run 0 show box --verify
printf x >>"$ONEBIT_MODELS/box/$(basename "$model")"
run 1 show box --verify
run 0 rm box
run 1 rm box
run 1 show box
nothing_left "rm"
run 1 run -m box -p hello
has err "onebit list"
run 1 run -m bitnet-2b-4t -p hello
has err "onebit pull bitnet-2b-4t"

serve good
run 0 pull "$url/m.gguf" --quiet
cmp -s "$(cat "$work/out")" "$model" || fail "what was pulled differs"
run 0 rm m --quiet
unserve
serve broken
run 0 pull "$url/m.gguf" --sha256 "$digest"
has err "again in"
run 0 rm m
unserve
serve other
run 1 pull "$url/m.gguf" --sha256 "$digest"
has err "expected $digest"
nothing_left "a wrong digest"
unserve
serve away
run 1 pull "$url/m.gguf"
has err "--allow-private"
nothing_left "a refused redirect"
run 0 pull "$url/m.gguf" --allow-private
unserve

# Over TLS, from a server whose certificate only CURL_CA_BUNDLE vouches for. It sends files as they are, headers and all.
mkdir -p "$work/tls"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
  -keyout "$work/tls.key" -out "$work/tls.crt" 2>"$work/openssl" || fail "no certificate: $(cat "$work/openssl")"
serve good
{ printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' "$(stat -Lc %s "$model")"; cat "$model"; } >"$work/tls/m.gguf"
printf 'HTTP/1.1 302 Found\r\nLocation: /m.gguf\r\nContent-Length: 0\r\n\r\n' >"$work/tls/moved.gguf"
printf 'HTTP/1.1 302 Found\r\nLocation: %s/m.gguf\r\nContent-Length: 0\r\n\r\n' "$url" >"$work/tls/plain.gguf"
: >"$work/s_server"  # it is read before the server writes it
(cd "$work/tls" && exec openssl s_server -HTTP -4 -accept 127.0.0.1:0 -cert ../tls.crt -key ../tls.key) >"$work/s_server" 2>&1 &
tls=$!
trap 'kill "$tls" 2>/dev/null || true' EXIT
for ((i = 0; i < 100; i++)); do
  address=$(awk '/^ACCEPT/ { print $2 }' "$work/s_server")
  [ -z "$address" ] || break
  sleep 0.1
done
[ -n "$address" ] || fail "no TLS server: $(cat "$work/s_server")"
secure=https://$address
run 1 pull "$secure/m.gguf" --name refused
has err certificate
export CURL_CA_BUNDLE=$work/tls.crt
run 1 pull "$secure/plain.gguf" --name refused --allow-http --allow-private
has err "a redirect from https to http"
run 0 pull "$secure/moved.gguf" --name moved --sha256 "$digest"
run 0 rm moved
unset CURL_CA_BUNDLE
unserve

# The folder of the system is read, never written.
mkdir -p "$work/system"
cp "$model" "$work/system/theirs.gguf"
run 0 list
has out system
run 0 show theirs
run 1 rm theirs
has err "belongs to the system"

run 2 pull
run 2 pull nonsense
has err "bitnet-2b-4t"
run 2 pull hf://a
run 2 pull hf://a/b/../../c
run 2 pull ftp://example.org/x.gguf
run 2 pull http://example.org/x.gguf
has err "--allow-http"
run 2 pull "file://$model" --name ../escape
run 2 pull "file://$model" --name .hidden
run 2 pull "file://$model" --sha256 abc
run 2 pull "file://$model" --max-size 0
run 2 rm
run 2 rm ../models
run 2 show a/b
run 1 pull "file://$work/missing.gguf"
printf 'It was the best of times' >"$work/text.gguf"
run 1 pull "file://$work/text.gguf"
has err "no model"
[ ! -e "$work/escape" ] || fail "a name led out of the store"
[ "$(ls -A "$ONEBIT_MODELS")" = m ] || fail "left in the store: $(ls -A "$ONEBIT_MODELS")"

run 0 version --json
has out '{"version":"'
run 0 validate --json
has out '"ready":true'

finish
