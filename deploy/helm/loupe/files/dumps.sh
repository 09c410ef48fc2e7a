# Functions for the dumps of the databases. The lines after these say which databases there are, and in which order.
set -eu
umask 077
until_there=$(($(date +%s) + WAIT_SECONDS))
# give_up_later SENTENCE: wait a little, or end with the sentence
give_up_later() {
    if [ "$(date +%s)" -ge "$until_there" ]; then
        echo "gave up after $WAIT_SECONDS s: $1"
        exit 1
    fi
    echo "waiting: $1"
    sleep 2
}
# a name is needed: the pod's user may have no entry in the image
until pg_isready --quiet --username=postgres; do give_up_later "PostgreSQL at $PGHOST does not answer"; done
# save SERVICE ROLE DATABASE PASSWORD
save() {
    PGPASSWORD=$4 pg_dump --username="$2" --format=custom --file="$DUMPS/$1.dump" "$3"
    pg_restore --list "$DUMPS/$1.dump" > /dev/null
    echo "dumped the database $3"
}
# require SERVICE ROLE DATABASE: the dump must be there, and nobody may use the database
require() {
    [ -s "$DUMPS/$1.dump" ] || { echo "the backup has no dump of $1"; exit 1; }
    while :; do
        users=$(psql --no-psqlrc -qtA --set=database="$3" --dbname=postgres <<'SQL'
SELECT count(*) FROM pg_stat_activity WHERE datname = :'database' AND backend_type = 'client backend'
SQL
)
        [ "$users" -gt 0 ] || break
        give_up_later "$users connections use the database $3. Set paused=true, and end what else uses it"
    done
}
# restore SERVICE ROLE DATABASE: replaces the database. An interrupted restore is repeated from the beginning
restore() {
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=role="$2" --set=database="$3" --dbname=postgres <<'SQL'
DROP DATABASE IF EXISTS :"database" WITH (FORCE);
CREATE DATABASE :"database" OWNER :"role";
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
SQL
    pg_restore --dbname="$3" --role="$2" --no-owner --no-privileges --exit-on-error --single-transaction "$DUMPS/$1.dump"
    echo "restored the database $3"
}
