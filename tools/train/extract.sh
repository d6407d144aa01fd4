#!/bin/sh
# Makes the corpus of the model in the box from two Debian packages:
#   bible-kjv + bible-kjv-text   the King James Bible (1611/1769; copyright expired)
#   r-cran-janeaustenr           the six novels of Jane Austen (1811-1818; copyright expired)
#
#   apt-get install -y --no-install-recommends bible-kjv r-cran-janeaustenr
#   tools/train/extract.sh DIR      writes DIR/train.txt and DIR/heldout.txt
#
# Both files are plain ASCII, one verse or paragraph a line. A document is one chapter. In train.txt an
# empty line ends a document; every 100th document goes to heldout.txt instead, which has no empty lines.
set -eu
out=${1:?usage: extract.sh DIR}
mkdir -p "$out"
LC_ALL=C
export LC_ALL

# "Ge1:2 And the earth ..." -> the verse; a new chapter starts where the part before the colon changes.
bible -f 'Gen1:1-Rev22:21' </dev/null | awk '
  { chapter = $1; sub(/:.*/, "", chapter); sub(/^[^ ]+ /, "") }
  NR > 1 && chapter != last { print "" }
  { last = chapter; print }
  END { print "" }' > "$out/kjv.txt"

# Wrapped paragraphs are joined; headings and title pages dropped; underscores (emphasis), pound signs
# and bracketed notes of the edition removed.
Rscript --vanilla -e 'library(janeaustenr)
  for (book in list(sensesensibility, prideprejudice, mansfieldpark, emma, northangerabbey, persuasion))
    writeLines(c("", iconv(book, from = "UTF-8", to = "ASCII", sub = ""), "", "THE END", ""))' |
awk '
  function flush() {
    if (inside && paragraph != "" && paragraph !~ /^\[.*\]$/) { print paragraph; lines++ }
    paragraph = ""
  }
  /^ *(CHAPTER|Chapter) ([0-9]+|[IVXL]+)\.? *$/ { flush(); if (lines) print ""; lines = 0; inside = 1; next }
  /^ *(VOLUME|Volume) [IVX]+ *$/ { flush(); next }
  /^ *(THE END|FINIS|Finis|A NOTE ON THE TEXT) *$/ { flush(); inside = 0; next }
  /^ *$/ { flush(); next }
  { gsub(/_/, ""); gsub(/[ \t]+/, " "); sub(/^ /, ""); sub(/ $/, "")
    paragraph = paragraph == "" ? $0 : paragraph " " $0 }
  END { flush(); print "" }' > "$out/austen.txt"

cat "$out/kjv.txt" "$out/austen.txt" | awk -v train="$out/train.txt" -v heldout="$out/heldout.txt" '
  BEGIN { document = 1; printf "" > train; printf "" > heldout }
  document % 100 == 0 { if ($0 != "") print > heldout }
  document % 100 != 0 { print > train }
  $0 == "" { document++ }'
rm "$out/kjv.txt" "$out/austen.txt"
wc -c "$out/train.txt" "$out/heldout.txt"
