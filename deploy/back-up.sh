#!/usr/bin/env bash
# A copy of a running daemon's data folder: deploy/back-up.sh DATA TARGET
# The database first, then the blobs: so every row of the copy finds its bytes. Run again, it brings the copy up to date.
set -euo pipefail

data=$1 target=$2
umask 077
mkdir -p "$target/blobs"
if [[ -f $data/forebay.db ]]; then
    "${PYTHON:-python3}" - "$data/forebay.db" "$target/forebay.db.new" <<'END'
import sqlite3, sys

source, target = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True), sqlite3.connect(sys.argv[2])
with source, target:
    source.backup(target)
if target.execute("PRAGMA quick_check").fetchone() != ("ok",):
    sys.exit("the copy of the database is damaged")
target.close()
END
    mv "$target/forebay.db.new" "$target/forebay.db"
fi
cp -R -p "$data/blobs/." "$target/blobs/"
if [[ -f $data/admin-token ]]; then cp -p "$data/admin-token" "$target/"; fi
