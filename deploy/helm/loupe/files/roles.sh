# Creates a role and a database for each service; no role can open another's database. It may run again at any time:
# it keeps what exists, and sets the passwords to those of the Secret.
set -eu
create() {
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=role="$1" --set=database="$2" --set=password="$3" <<'SQL'
SET log_statement = 'none';
SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'role')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
REVOKE ALL ON DATABASE :"database", postgres, template1 FROM PUBLIC;
SQL
    echo "the role $1 owns the database $2"
}
until pg_isready --quiet; do
    echo "waiting for PostgreSQL"
    sleep 2
done
