#!/usr/bin/env bash
# Builds the packages, has lintian judge them, and installs them on a bare Debian 12 in a folder: the program writes text, the
# server's unit is sound and its command line answers, purge leaves nothing.
# usage: packages.sh SOURCE WORK [DEBS]     as root, for chroot; the bare system is kept as WORK/bookworm.tar
# DEBS: a folder of packages that scripts/build-deb.sh has made, to be tried in place of ones built here
set -euo pipefail
source=$1 work=$2 debs=${3:-$2/deb}
if [ "$(id -u)" -ne 0 ]; then echo "chroot needs root"; exit 77; fi
for tool in dpkg-buildpackage lintian debootstrap systemd-analyze curl; do
  command -v $tool >/dev/null || { echo "$tool is missing (scripts/install-deps.sh packages)"; exit 77; }
done
mkdir -p "$work"
root=$work/root
server=

# Only what this script put there is unmounted or ended.
cleanup() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; }
  for m in proc dev; do mountpoint -q "$root/$m" && umount -l "$root/$m"; done
  return 0
}
trap cleanup EXIT
fail() { echo "FAILED: $*"; exit 1; }

echo "== packages"
[ $# -gt 2 ] || "$source/scripts/build-deb.sh" --plain "$debs"
lintian --fail-on error,warning --suppress-tags bad-distribution-in-changes-file "$debs"/*.changes

echo "== unit"
unit=$work/unit/onebit.service
mkdir -p "$work/unit"
dpkg-deb --fsys-tarfile "$debs"/onebit_*.deb | tar -xO ./lib/systemd/system/onebit.service >"$unit"
# 30 stands for an exposure of 3.0.
systemd-analyze security --offline=true --threshold=30 "$unit" | tail -n 1
# The program is not installed here; everything else has to be right.
systemd-analyze verify "$unit" 2>&1 | grep -v 'onebit is not executable\|man onebit-serve' | grep "$unit" && fail "the unit"

echo "== bare Debian 12"
if [ ! -f "$work/bookworm.tar" ]; then
  rm -rf "$work/bare"
  debootstrap --variant=minbase bookworm "$work/bare" ${ONEBIT_DEBIAN_MIRROR:+"$ONEBIT_DEBIAN_MIRROR"} >"$work/debootstrap.log" 2>&1 ||
    { tail "$work/debootstrap.log"; echo "no Debian mirror can be reached"; exit 77; }
  tar -C "$work/bare" -cf "$work/bookworm.tar.new" .
  mv "$work/bookworm.tar.new" "$work/bookworm.tar"
  rm -rf "$work/bare"
fi
for m in proc dev; do if mountpoint -q "$root/$m"; then umount -l "$root/$m"; fi; done
rm -rf "$root"
mkdir "$root"
tar -C "$root" -xf "$work/bookworm.tar"
for file in /etc/apt/apt.conf.d/*; do if grep -qi proxy "$file" 2>/dev/null; then cp "$file" "$root/etc/apt/apt.conf.d/"; fi; done
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
inside apt-get -qq update
# What the packages need comes first, so that what a purge leaves is ours alone.
mapfile -t needs < <(for d in onebit libonebit0; do dpkg-deb -f "$debs"/${d}_*.deb Depends; done | tr ',' '\n' | sed 's/([^)]*)//; s/|.*//; s/ //g' | sort -u | grep -v '^libonebit0$')
inside apt-get -qq install -y --no-install-recommends "${needs[@]}" passwd gcc libc6-dev pkg-config >"$work/apt.log" 2>&1 || { tail "$work/apt.log"; fail "apt-get install"; }
state() { (cd "$root" && find . -xdev \( -path ./proc -o -path ./dev -o -path ./tmp -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache -o -path ./var/lib/apt \) -prune -o -print | sort); inside getent passwd | cut -d: -f1 | sort; inside getent group | cut -d: -f1 | grep -vx render | sort; }
state >"$work/before"

echo "== install"
cp "$debs"/onebit_*.deb "$debs"/libonebit*_*.deb "$root/tmp/"
inside sh -c 'dpkg -i /tmp/*.deb' >"$work/dpkg.log" 2>&1 || { tail "$work/dpkg.log"; fail "dpkg -i"; }
inside id onebit | grep -q render || fail "the user onebit is not in render"
[ "$(inside onebit list --filter installed --quiet)" = onebit-kjv-austen-6m ] || fail "the model in the box is not listed"
text=$(inside onebit run -m onebit-kjv-austen-6m -p "In the beginning" -n 8 --temp 0 --quiet)
[ ${#text} -gt 8 ] || fail "no text: '$text'"
inside sh -c 'cd /tmp && cc /usr/share/doc/libonebit-dev/examples/gemm.c $(pkg-config --cflags --libs onebit) -o gemm && ./gemm 20 40 3' | grep -q "the same results" ||
  fail "a C program with libonebit-dev"
inside bash -c 'source /usr/share/bash-completion/completions/onebit; COMP_WORDS=(onebit ru); COMP_CWORD=1; _onebit; [ "${COMPREPLY[*]}" = run ]' || fail "completion of bash"
for page in onebit onebit-run onebit-pull; do [ -f "$root/usr/share/man/man1/$page.1.gz" ] || fail "no man page $page"; done

if inside onebit --help | grep -q '^  serve '; then
  echo "== server"
  # The unit's command with its environment, as its user; there is no systemd in here to do it.
  command=$(sed -n 's/^ExecStart=//p' "$root/lib/systemd/system/onebit.service")
  mkdir -p "$root/var/lib/onebit"
  chroot "$root" chown onebit:onebit /var/lib/onebit
  mapfile -t settings < <(sed -n "s/^Environment=//p" "$root/lib/systemd/system/onebit.service"; grep -v '^#' "$root/etc/default/onebit" | grep .)
  # shellcheck disable=SC2086
  chroot --userspec=onebit:onebit "$root" env -i PATH=/usr/bin "${settings[@]}" ONEBIT_PORT=18480 $command 2>"$work/serve.log" &
  server=$!
  for _ in $(seq 300); do
    if curl -fs http://127.0.0.1:18480/health >/dev/null; then break; fi
    kill -0 "$server" 2>/dev/null || { cat "$work/serve.log"; fail "the server ended"; }
    sleep 0.2
  done
  curl -fsS http://127.0.0.1:18480/v1/completions -H 'Content-Type: application/json' \
    -d '{"prompt": "In the beginning", "max_tokens": 8, "temperature": 0}' >"$work/completion.json"
  grep -q '"text"' "$work/completion.json" || fail "no completion: $(cat "$work/completion.json")"
  kill -TERM "$server"
  status=0
  wait "$server" || status=$?
  server=
  [ "$status" -eq 0 ] || { cat "$work/serve.log"; fail "SIGTERM gave $status"; }
else
  echo "== this program has no verb serve: the unit's command is not tried"
fi

echo "== purge"
inside dpkg --purge onebit libonebit-dev libonebit0 >"$work/purge.log" 2>&1 || { tail "$work/purge.log"; fail "dpkg --purge"; }
state >"$work/after"
diff "$work/before" "$work/after" || fail "purge left or took something"
echo "all good"
