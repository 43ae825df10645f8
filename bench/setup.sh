#!/usr/bin/env bash
# Builds what the benchmark runs: the server, the accounts' maker, the peers. wrk and nginx come from the distribution where
# they are missing and this is root; SKIP_NODE=1 leaves the peers out that need npm. A quarter of an hour on two cores.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
command -v wrk >/dev/null || missing+=(wrk)
command -v nginx >/dev/null || missing+=(nginx-light)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"
  else
    echo "install ${missing[*]}: wrk is needed, nginx is one of the peers" >&2
  fi
fi

cargo build --release --locked --manifest-path ../Cargo.toml --target-dir ../target --package bff --package bench
cargo build --release --locked --manifest-path peers/Cargo.toml --target-dir peers/target

if [ -z "${SKIP_NODE:-}" ]; then
  for folder in rt nest tailcall; do
    (cd "node/$folder" && npm install --no-audit --no-fund --no-package-lock)
  done
  (cd node/nest && npm run build)
fi
