#!/bin/sh
# Makes the secrets that compose.yaml mounts, each once: what is there already stays.
#
#   docker/secrets.sh [FOLDER]        the folder is docker/secrets unless named
set -eu

folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
# Nobody else on this machine enters the folder; inside the containers, programs of several users read the files.
chmod 700 "$folder"
cd "$folder"

keep() {
  [ -s "$1" ] && return
  printf '%s\n' "$2" >"$1.new"
  chmod 444 "$1.new"
  mv "$1.new" "$1"
}

random() {
  head -c 32 /dev/urandom | base64
}

# Fit for a URL.
password() {
  random | tr '+/' '-_' | tr -d '='
}

keep master_key "$(random)"
keep pepper "$(random)"
keep admin_token "$(password)"
keep seed_admin_password "$(password)"
keep grafana_password "$(password)"
keep postgres_password "$(password)"
keep bff_password "$(password)"
keep bff_database_url "postgres://bff:$(cat bff_password)@postgres:5432/bff"
keep orders_password "$(password)"
keep orders_database_url "postgres://orders:$(cat orders_password)@postgres:5432/orders"
