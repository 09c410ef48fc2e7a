#!/bin/sh
# Runs once, when the cluster is new. Creates a role and a database for each service; no role can open another's.
set -eu

psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres <<'SQL'
\getenv auth POSTGRES_PASSWORD_AUTH
\getenv billing POSTGRES_PASSWORD_BILLING
\getenv images POSTGRES_PASSWORD_IMAGES
\getenv outbound POSTGRES_PASSWORD_OUTBOUND
CREATE ROLE auth LOGIN PASSWORD :'auth';
CREATE ROLE billing LOGIN PASSWORD :'billing';
CREATE ROLE images LOGIN PASSWORD :'images';
CREATE ROLE outbound LOGIN PASSWORD :'outbound';
CREATE DATABASE auth OWNER auth;
CREATE DATABASE billing OWNER billing;
CREATE DATABASE images OWNER images;
CREATE DATABASE outbound OWNER outbound;
REVOKE ALL ON DATABASE postgres, template1, auth, billing, images, outbound FROM PUBLIC;
SQL
