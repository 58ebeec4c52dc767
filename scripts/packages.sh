#!/usr/bin/env bash
# Installs those of the named Debian packages that are missing, when run as root: scripts/packages.sh PACKAGE…
# Elsewhere it only says so: tests that need them are skipped with the reason, or fail with REQUIRE_ALL=1.
set -euo pipefail

missing=()
for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $state == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

if ! command -v apt-get >/dev/null || [[ $(id -u) -ne 0 ]]; then
    echo "not installed here, and not installable without root and apt: ${missing[*]}" >&2
    exit 0
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null
if ! apt-get install -qq --no-install-recommends -y "${missing[@]}" >/dev/null; then
    echo "apt could not install ${missing[*]}; what needs them is skipped, or fails with REQUIRE_ALL=1" >&2
fi
