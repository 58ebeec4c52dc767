#!/usr/bin/env bash
# Makes a virtual environment with the first Python that is new enough: scripts/venv.sh FOLDER
set -euo pipefail

folder=$1
# A name may be there and still not run (version managers do that), so each is asked.
for python in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "forebay: $python cannot make virtual environments; on Debian: apt install $(basename "$python")-venv" >&2
            exit 1
        fi
        exec "$python" -m venv "$folder"
    fi
done
echo "forebay: needs Python 3.11 or newer; none found. Install one, or name it: make PYTHON=/path/to/python3" >&2
exit 1
