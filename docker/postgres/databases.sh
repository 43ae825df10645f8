#!/bin/sh
# Runs once, when the volume is empty: a database and a role for each service, out of the other's reach.
set -eu

for name in bff orders; do
  psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
    --set=name="$name" --set=password="$(cat "/run/secrets/${name}_password")" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
