# Runs the NATS server with the arguments of the shell, and ends it when the disk of $DATA was full and has room again:
# streams that found no space refuse every message until then. The container is started again from outside. Servers of a
# cluster end one after the other, because streams in memory need two of them.
set -eu
nats-server "$@" &
server=$!
trap 'kill "$server"' TERM INT
watch_disk "$DATA" "$server"
turn=$((${SERVER_NAME##*-} * 30))
while [ "$turn" -gt 0 ] && kill -0 "$server" 2>/dev/null; do
    sleep 1
    turn=$((turn - 1))
done
kill "$server" 2>/dev/null || true
wait "$server"
