#!/usr/bin/env bash
# Golden reports over recorded systems (tests/data/doctor/NAME.tree), and trees that mean harm.
# A .tree file: "== PATH" begins a file, "== PATH -> TARGET" is a link, "-- PATH" removes, "base NAME" starts from another.
source "$(dirname "$0")/lib.sh" "$@"

data=$source_dir/tests/data/doctor

unpack() {  # NAME DIR
  local line path="" target
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      "base "*) unpack "${line#base }" "$2" ;;
      "-- "*) rm -rf "${2:?}/${line#-- }" ;;
      "== "*" -> "*)
        path=${line#== } target=${line##* -> } path=${path%% -> *}
        mkdir -p "$2/$(dirname "$path")"
        ln -sfn "$target" "$2/$path"
        path="" ;;
      "== "*)
        path=${line#== }
        mkdir -p "$2/$(dirname "$path")"
        : >"$2/$path" ;;
      *) [ -z "$path" ] || printf '%s\n' "$line" >>"$2/$path" ;;
    esac
  done <"$data/$1.tree"
}

golden() {  # NAME STATUS: both outputs, and nothing private in either
  unpack "$1" "$work/$1"
  run "$2" doctor --root "$work/$1" --json
  sed "s/\"doctor\": \".*\"/\"doctor\": \"VERSION\"/" "$work/out" >"$work/$1.json"
  run "$2" doctor --root "$work/$1"
  [ -z "${UPDATE_GOLDEN:-}" ] || { cp "$work/out" "$data/$1.txt"; cp "$work/$1.json" "$data/$1.json"; }
  same "$data/$1.txt" "$work/out" "doctor on $1"
  same "$data/$1.json" "$work/$1.json" "doctor --json on $1"
  if grep -iE 'private|01234567-89ab|'"$work" "$work/out" "$work/$1.json" "$work/err"; then fail "doctor on $1: private data"; fi
}
golden strix-halo 0
golden bare 0
golden missing-group 1
golden group-next-login 1
golden memlock-low 1
golden old-firmware 1
golden firmware-too-new 1
golden no-plugin 1
golden plugin-mismatch 1
golden phoenix 0
golden no-driver 1
golden container 1
golden iommu-off 1
golden krackan-fedora 1
golden debian12-sid-xrt 1

# Every combination in the list of the documentation, and none besides.
run 0 doctor --known-bad
checks=$((checks + 1))
diff <(grep -oE '^[a-z]+\.[a-z-]+' "$work/out" | sort) <(sed -n 's/^| `\([a-z]*\.[a-z-]*\)` .*/\1/p' "$source_dir/docs/doctor.md" | sort) ||
  fail "docs/doctor.md and --known-bad list different combinations"

# This machine, whatever it is.
checks=$((checks + 1))
status=0
onebit doctor --json >"$work/here.json" 2>/dev/null || status=$?
[ "$status" -le 1 ] || fail "doctor on this machine gave $status"
grep -q '"backend": "npu-sim"' "$work/here.json" || fail "doctor --json on this machine: no back ends"

# Trees that mean harm: links in circles and out of the tree, pipes, junk, files without end.
hostile=$work/hostile
unpack strix-halo "$hostile"
ln -sfn loop "$hostile/proc/loop"
ln -sfn /proc/loop "$hostile/proc/cpuinfo"
ln -sfn .. "$hostile/sys/bus/pci/devices/up"
rm "$hostile/proc/meminfo" "$hostile/etc/group" "$hostile/proc/cmdline" "$hostile/proc/self/status"
mkfifo "$hostile/proc/meminfo"
mkdir "$hostile/proc/self/status"
head -c 3000000 /dev/urandom >"$hostile/etc/group"
truncate -s 1T "$hostile/proc/cmdline" 2>/dev/null || truncate -s 1G "$hostile/proc/cmdline"
# Links out of the tree come below, to a file of this test: what writes into the tree may run as root.
printf 'ID=\033[31m\377\n' >"$hostile/etc/os-release"
printf '99999999999999999999.4294967296.1\n' >"$hostile/proc/sys/kernel/osrelease"
printf '0x%0100d\n' 1 >"$hostile/sys/bus/pci/devices/0000:c6:00.1/revision"
printf 'Max locked memory 18446744073709551616 x bytes\n' >"$hostile/proc/self/limits"
rm -r "$hostile/usr/lib/x86_64-linux-gnu"
ln -s x86_64-linux-gnu "$hostile/usr/lib/x86_64-linux-gnu"
for i in $(seq 300); do mkdir -p "$hostile/sys/bus/pci/devices/d$i"; echo 0x1022 >"$hostile/sys/bus/pci/devices/d$i/vendor"; echo 0x17f0 >"$hostile/sys/bus/pci/devices/d$i/device"; done
checks=$((checks + 1))
status=0
timeout 20 "${program[@]}" doctor --root "$hostile" >"$work/out" 2>"$work/err" || status=$?
[ "$status" -le 1 ] || fail "doctor on a hostile tree gave $status"
if LC_ALL=C grep -qP '[^\x20-\x7e\n]' "$work/out"; then fail "doctor printed bytes of the tree that are no text"; fi
echo "ID=outside" >"$work/outside"
ln -sfn ../../outside "$hostile/etc/os-release"
status=0
timeout 20 "${program[@]}" doctor --root "$hostile" >"$work/out" 2>"$work/err" || status=$?
[ "$status" -le 1 ] || fail "doctor on a tree with a link out of it gave $status"
if grep -q "outside" "$work/out"; then fail "doctor followed a link out of the tree"; fi
mkdir -p "$work/evil/proc" && printf "iommu=pt' ; \$(touch x) iommu=\`x\`\n" >"$work/evil/proc/cmdline"
run 0 doctor --root "$work/evil"
if grep -qF 'touch' "$work/out"; then fail "doctor repeats a command of the tree"; fi
mkdir "$work/empty"
run 0 doctor --root "$work/empty"
has out "works"
run 1 doctor --root "$work/absent"
has err "expected a directory"
run 1 doctor --root "$data/bare.tree"
has err "not a directory"
run 2 doctor extra

finish
