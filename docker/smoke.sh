#!/bin/sh
# Starts compose.yaml with the images that are built, signs a demo user in, loads a screen, and removes everything again,
# volumes included. Not for a machine where it runs in earnest.
set -eu
cd "$(dirname "$0")"

compose() {
  docker compose --file compose.yaml --project-name bff-smoke "$@"
}

stop() {
  compose down --volumes --timeout 20
}

failed() {
  compose ps --all
  compose logs --no-color --tail 100
  stop
}

./secrets.sh
trap failed EXIT
compose up --detach --no-build

url=http://127.0.0.1:${BFF_PORT:-8080}
curl --silent --fail --retry 30 --retry-delay 1 --retry-all-errors "$url/healthz"
login='{"identifier":"user@shop.test","password":"correct-horse-battery"}'
token=$(curl --silent --fail-with-body --header 'content-type: application/json' --data "$login" "$url/v1/auth/login" |
  sed 's/.*"accessToken":"\([^"]*\)".*/\1/')
curl --silent --fail-with-body --retry 10 --retry-all-errors --header "authorization: Bearer $token" "$url/v1/home"

trap - EXIT
stop
