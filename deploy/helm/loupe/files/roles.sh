# Creates a role and a database for each service; no role can open another's database. It runs beside PostgreSQL, connects
# by the socket of the pod, and runs again with each start: it keeps what exists, and sets the passwords to those of the
# Secret. If a database belongs to another role than the values say, everything in it is given to the new one, and the
# former role may use it until its pods are replaced.
set -eu
query() {
    psql --no-psqlrc --quiet --tuples-only --set=ON_ERROR_STOP=1 --set=role="$1" --set=database="$2" --set=password="$3" --dbname="$4"
}
create() {
    query "$1" "$2" "$3" postgres <<'SQL'
SET log_statement = 'none';
SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'role')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
REVOKE ALL ON DATABASE :"database", postgres, template1 FROM PUBLIC;
SQL
    query "$1" "$2" "$3" "$2" <<'SQL'
SET client_min_messages = error;
SELECT format('REVOKE %I FROM %I', rolname, :'role'), format('GRANT %I TO %I', :'role', rolname),
       format('REASSIGN OWNED BY %I TO %I', rolname, :'role')
FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba
WHERE datname = :'database' AND rolname <> :'role' AND NOT rolsuper \gexec
SQL
    echo "the role $1 owns the database $2"
}
rm -f "$SCRATCH/roles-exist"
until_there=$(($(date +%s) + WAIT_SECONDS))
# by TCP: while the image creates the first files, a server answers at the socket and ends again
until pg_isready --quiet --host=127.0.0.1; do
    if [ "$(date +%s)" -ge "$until_there" ]; then
        echo "PostgreSQL does not answer after $WAIT_SECONDS s: the log of the container postgresql says why"
        exit 1
    fi
    echo "waiting for PostgreSQL"
    sleep 2
done
