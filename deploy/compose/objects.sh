#!/bin/sh
# Starts SeaweedFS with one bucket, and one identity for each service that stores objects. Only the S3 server checks
# credentials; the servers behind it listen on the loopback of this container.
set -eu
umask 077

identity() {
    printf '{"name": "%s", "credentials": [{"accessKey": "%s", "secretKey": "%s"}],' "$1" "$2" "$3"
    printf ' "actions": ["Read:loupe", "Write:loupe", "List:loupe", "Tagging:loupe"]}'
}

# log_options FOLDER: write the log to a folder, and only errors to the container's log
log_options() {
    mkdir -p "$1"
    echo "-config_dir=. -logdir=$1 -alsologtostderr=false -stderrthreshold=ERROR -log_max_size_mb=16"
}

shell() {
    echo "$1" | weed shell -master=127.0.0.1:9333 -filer=127.0.0.1:8888 2>/dev/null
}

printf '{"identities": [%s, %s]}\n' \
    "$(identity images "$S3_ACCESS_KEY_IMAGES" "$S3_SECRET_KEY_IMAGES")" \
    "$(identity inference "$S3_ACCESS_KEY_INFERENCE" "$S3_SECRET_KEY_INFERENCE")" >/tmp/s3.json
mkdir -p data

# shellcheck disable=SC2046 # several arguments
weed $(log_options logs/store) mini -dir=data -ip=127.0.0.1 -ip.bind=127.0.0.1 -bucket=loupe -s3=false \
    -master.telemetry=false -master.resumeState=false -volume.preStopSeconds=0 -filer.maxMB=1 \
    -webdav=false -admin.ui=false &
store=$!
# shellcheck disable=SC2046
weed $(log_options logs/s3) s3 -config=/tmp/s3.json -filer=127.0.0.1:8888 -ip.bind=0.0.0.0 -port=8333 \
    -port.iceberg=0 -port.lance=0 -autoCreateBucket=false -allowDeleteBucketNotEmpty=false &
s3=$!
trap 'kill $s3 $store' TERM INT

# make the store write each object to the disk before it answers; repeat until it has accepted this
until shell 'fs.configure -locationPrefix=/buckets/ -fsync -apply' | grep -q '"fsync":'; do sleep 1; done &

# neither server is of use without the other: stop both when one ends
while kill -0 "$store" "$s3" 2>/dev/null; do sleep 1; done
kill "$store" "$s3" 2>/dev/null || true
wait
