# watch_disk FOLDER PID…: returns when one of the processes has ended, or when the disk of the folder was full and has
# room again. After a write that found no space, a store refuses every further one until it is started anew.
has_room() {
    free=$(df -Pk "$1" | awk 'NR == 2 { print $4 }')
    [ "${free:-$2}" -ge "$2" ]
}
watch_disk() {
    folder=$1 was_full=
    shift
    while kill -0 "$@" 2>/dev/null; do
        if [ -z "$was_full" ] && ! has_room "$folder" 16384; then
            echo 'the disk is full; the server is started anew once it has room'
            was_full=yes
        fi
        if [ -n "$was_full" ] && has_room "$folder" 65536; then
            echo 'the disk was full and has room again; the server is started anew'
            return
        fi
        sleep 1
    done
}
