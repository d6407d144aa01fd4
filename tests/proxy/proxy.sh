#!/usr/bin/env bash
# Three servers behind HAProxy with deploy/proxy/haproxy.cfg, or behind nginx with deploy/proxy/nginx.conf: texts with the same
# key go to the same server, and when one is killed under load no request fails that has not begun to stream.
# usage: proxy.sh haproxy|nginx SOURCE WORK ONEBIT
set -euo pipefail
proxy=$1 source=$2 work=$3/$1 onebit=$4
rm -rf "$work"
mkdir -p "$work/answers"
# nginx from Debian's package is run from where it was unpacked: installing it would start a server on port 80.
program=$(command -v "$proxy" || true)
if [ -z "$program" ] && [ "$proxy" = nginx ] && (cd "$work" && apt-get -qq download nginx && dpkg -x nginx_*.deb unpacked) >"$work/fetch.log" 2>&1; then
  program=$work/unpacked/usr/sbin/nginx
fi
[ -x "$program" ] || { echo "no $proxy: scripts/install-deps.sh proxy installs HAProxy; nginx comes from PATH or from apt-get download"; exit 77; }
pids=()
trap 'for p in "${pids[@]}"; do kill -9 "$p" 2>/dev/null || true; done' EXIT
fail() { echo "FAILED: $*"; tail -n 5 "$work"/*.log; exit 1; }
models=("$source"/models/*.gguf)

# Starts a server on a free port and waits until it is ready; its address goes to $address.
replica() {
  : >"$work/$1.log"  # it is read before the server writes it
  "$onebit" serve -m "${models[0]}" --port 0 -t 1 --parallel 4 --device cpu --allow-host models.example.org 2>>"$work/$1.log" &
  pids+=($!)
  for _ in $(seq 600); do
    address=$(sed -n 's|.* on http://\([0-9.:]*\)$|\1|p' "$work/$1.log")
    if [ -n "$address" ] && curl -fs "http://$address/health" >/dev/null; then return; fi
    kill -0 "${pids[-1]}" 2>/dev/null || fail "server $1 ended"
    sleep 0.1
  done
  fail "server $1 is not ready"
}
addresses=()
for name in a b c; do replica $name; addresses+=("$address"); done

# A port that is free now is the proxy's.
for port in $(shuf -i 20000-29999 -n 20); do
  if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
done
case $proxy in
  haproxy)  # takes its settings from the environment
    export ONEBIT_PROXY_BIND=127.0.0.1:$port ONEBIT_REPLICA_A=${addresses[0]} ONEBIT_REPLICA_B=${addresses[1]} ONEBIT_REPLICA_C=${addresses[2]}
    config=$source/deploy/proxy/haproxy.cfg url=http://127.0.0.1:$port curl_options=()
    check=("$program" -c -f "$config") start=("$program" -db -f "$config") ;;
  nginx)  # the addresses of the example and the paths of its certificate are replaced, the rest is as it stands
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=models.example.org -addext subjectAltName=DNS:models.example.org \
      -keyout "$work/key.pem" -out "$work/fullchain.pem" 2>"$work/openssl.log" || fail "no certificate"
    sed -e "s|192.0.2.11:8080|${addresses[0]}|; s|192.0.2.12:8080|${addresses[1]}|; s|192.0.2.13:8080|${addresses[2]}|" \
      -e "s|listen 443|listen 127.0.0.1:$port|; s|/etc/ssl/onebit|$work|" "$source/deploy/proxy/nginx.conf" >"$work/onebit.conf"
    {
      [ "$(id -u)" -ne 0 ] || echo 'user root;'
      printf 'daemon off;\npid %s/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n  access_log off;\n' "$work"
      for area in client_body proxy fastcgi uwsgi scgi; do echo "  ${area}_temp_path $work/$area;"; done
      printf '  include onebit.conf;\n}\n'
    } >"$work/nginx.conf"
    url=https://models.example.org:$port curl_options=(--cacert "$work/fullchain.pem" --resolve "models.example.org:$port:127.0.0.1")
    start=("$program" -p "$work" -c "$work/nginx.conf" -e stderr) check=("${start[@]}" -t) ;;
  *) fail "'$proxy': expected haproxy or nginx" ;;
esac
"${check[@]}" >"$work/check.log" 2>&1 || fail "$proxy refuses its configuration"
"${start[@]}" >"$work/proxy.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do if curl -fs "${curl_options[@]}" "$url/health" >/dev/null; then break; fi; sleep 0.1; done

ask() {  # NUMBER KEY
  curl -sS -m 120 $curl_words -o "$work/answers/$1" -w '%{http_code}' "$url/v1/completions" -H "X-Prefix-Key: $2" -H 'Content-Type: application/json' \
    -d '{"prompt": "In the beginning God created the heaven and the earth.", "max_tokens": 48, "temperature": 0}' >"$work/answers/$1.status" 2>"$work/answers/$1.error" || true
}
export -f ask
export work url curl_words="${curl_options[*]}"  # an array cannot be exported; no word of it has a space

echo "== the same key goes to the same server"
for i in 1 2 3 4 5 6; do ask "same-$i" one-conversation; done
for i in 1 2 3 4 5 6; do [ "$(cat "$work/answers/same-$i.status")" = 200 ] || fail "request same-$i: $(cat "$work/answers/same-$i".*)"; done
counts=
for a in "${addresses[@]}"; do
  counts+="$(curl -fsS "http://$a/metrics" | sed -n 's|^onebit_http_requests_total{path="/v1/completions",status="200"} ||p') "
done
echo "requests per server: $counts"
[ "$(tr -s ' ' <<<"$counts" | sed 's/^ *//; s/ *$//')" = 6 ] || fail "one conversation went to several servers"

echo "== one is killed under load"
seq 1 60 | xargs -P 6 -I {} bash -c 'ask {} key-{}' &
load=$!
while [ "$(find "$work/answers" -name '[0-9]*.status' -size +0 | wc -l)" -lt 15 ]; do
  kill -0 $load 2>/dev/null || fail "the load ended too early"
  sleep 0.02
done
kill -9 "${pids[1]}"
wait $load
good=0
for i in $(seq 1 60); do
  if [ "$(cat "$work/answers/$i.status")" = 200 ] && grep -q '"text"' "$work/answers/$i"; then good=$((good + 1)); else echo "request $i: $(cat "$work/answers/$i.status" "$work/answers/$i.error")"; fi
done
echo "$good of 60 requests answered"
[ "$good" -eq 60 ] || fail "requests were lost"
# All the same text, whichever server wrote it.
[ "$(for i in $(seq 1 60); do grep -o '"text": *"[^"]*"' "$work/answers/$i" | head -n 1; done | sort -u | wc -l)" -eq 1 ] || fail "texts differ"
