#!/bin/bash
# Run by PostgreSQL's image when the data folder is new: a role for each domain, and a database that only this role may enter.
set -euo pipefail

for domain in domain-01 domain-02 domain-03 domain-04; do
    psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
        --set=domain="$domain" --set=password="$LINKER_PASSWORD" <<'SQL'
CREATE ROLE :"domain" LOGIN PASSWORD :'password';
CREATE DATABASE :"domain" OWNER :"domain";
REVOKE CONNECT ON DATABASE :"domain" FROM PUBLIC;
SQL
done
