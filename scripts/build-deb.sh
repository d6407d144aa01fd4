#!/usr/bin/env bash
# Builds the Debian packages from the files that git knows, in a copy of the tree, and puts them into OUT.
# usage: scripts/build-deb.sh [--plain] OUT
# --plain: compiled with the flags of `make build`, so that objects come from ccache, in place of Debian's; for tests.
set -euo pipefail
cd "$(dirname "$(dirname "$(realpath "$0")")")"
if [ "${1-}" = --plain ]; then
  shift
  export DEB_CFLAGS_SET='' DEB_CXXFLAGS_SET='' DEB_CPPFLAGS_SET='' DEB_BUILD_OPTIONS=noautodbgsym
fi
out=$(realpath -m "$1")
version=$(dpkg-parsechangelog -S Version)
[ "$version" = "$(sed -n 's/^project(onebit VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)" ] ||
  { echo "build-deb: debian/changelog has version $version, CMakeLists.txt another" >&2; exit 1; }

copy=$out/onebit-$version
mkdir -p "$copy"
rm -rf "$copy.new"
rm -f "$out"/*.deb "$out"/*.buildinfo "$out"/*.changes
# Files keep their times and the objects stay, so that a second build only builds what has changed.
mkdir "$copy.new"
git -c safe.directory='*' ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$copy.new"
[ ! -d "$copy/build" ] || mv "$copy/build" "$copy.new"
rm -rf "$copy"
mv "$copy.new" "$copy"
(cd "$copy" && dpkg-buildpackage -b -us -uc -nc -j"${JOBS:-$(nproc)}") >"$out/build.log" 2>&1 || { tail -n 40 "$out/build.log" >&2; exit 1; }
ls -l "$out"/*.deb
