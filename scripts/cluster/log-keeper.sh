#!/bin/sh
# The log keeper of a small cluster: bounds the log files in a folder as log-keeper-main.ts does, in 2 MB of
# memory instead of 66. It loses the lines that are written within the millisecond between the copy and the
# truncation; log-keeper-main.ts loses those of some microseconds. Ends when the folder is gone.
#
#     sh log-keeper.sh <folder>
set -u
umask 077

# In KiB. A file is rotated above this size. Its older part is at most twice as long.
MAX=16384

rotate() {
  # Without space for the older part, the file is emptied all the same.
  tail -c $((2 * MAX))k "$1" >"$1.new" && kept=yes || kept=''
  : >"$1"
  if [ "$kept" ]; then mv -f "$1.new" "$1.1"; else rm -f "$1.new"; fi
}

# Else its sleep would be left when it is told to end.
sleeping=''
trap '[ "$sleeping" ] && kill "$sleeping"; exit 0' TERM INT

while [ -d "$1" ]; do
  find "$1" -name '*.log' -size +"$MAX"k | while IFS= read -r file; do rotate "$file"; done
  sleep 5 &
  sleeping=$!
  wait "$sleeping"
  sleeping=''
done
