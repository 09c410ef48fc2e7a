#!/bin/sh
# Starts SeaweedFS with one bucket, and one identity for each service that stores objects. The S3 server checks
# credentials. The servers behind it listen on the loopback of this container, and gRPC accepts only those who show the
# certificate in $CERTIFICATES. Otherwise the S3 server's port of gRPC would make anybody an administrator.
# Web pages of the origins $S3_ALLOWED_ORIGINS may use signed links (CORS).
set -eu
umask 077
. /etc/loupe/full-disk.sh

BUCKET=loupe CERTIFICATES=/certificates

identity() {
    printf '{"name": "%s", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], "policyNames": ["%s"]}' "$@" "$1"
}

# allow RESOURCE ACTION: a part of a policy, which is a string in JSON
allow() {
    printf '{\\"Effect\\": \\"Allow\\", \\"Action\\": \\"%s\\", \\"Resource\\": \\"arn:aws:s3:::%s%s\\"}' "$2" "$BUCKET" "$1"
}

policy() {
    name=$1 statements=
    shift
    for statement; do statements="$statements${statements:+, }$statement"; done
    printf '{"name": "%s", "content": "{\\"Version\\": \\"2012-10-17\\", \\"Statement\\": [%s]}"}' "$name" "$statements"
}

# log_options FOLDER: write the log to a folder, and only errors to the container's log
log_options() {
    mkdir -p "$1"
    echo "-config_dir=. -logdir=$1 -alsologtostderr=false -stderrthreshold=ERROR -log_max_size_mb=16"
}

shell() {
    echo "$1" | weed shell -master=127.0.0.1:9333 -filer=127.0.0.1:8888 2>/dev/null
}

printf '{"identities": [%s, %s], "policies": [%s, %s]}' \
    "$(identity images "$S3_ACCESS_KEY_IMAGES" "$S3_SECRET_KEY_IMAGES")" \
    "$(identity inference "$S3_ACCESS_KEY_INFERENCE" "$S3_SECRET_KEY_INFERENCE")" \
    "$(policy images "$(allow '' s3:ListBucket)" "$(allow '/images/*' s3:GetObject)" \
        "$(allow '/images/*' s3:PutObject)" "$(allow '/images/*' s3:DeleteObject)")" \
    "$(policy inference "$(allow '/images/originals/*' s3:GetObject)" \
        "$(allow '/images/upscaled/*' s3:PutObject)" "$(allow '/images/previews/*' s3:PutObject)")" >/tmp/s3.json

# without the files the servers would start, and accept everybody
for file in ca.crt tls.crt tls.key; do
    [ -s "$CERTIFICATES/$file" ] || { echo "$CERTIFICATES/$file is missing"; exit 1; }
done
export WEED_GRPC_CA="$CERTIFICATES/ca.crt"
for server in MASTER VOLUME FILER S3 ADMIN CLIENT; do
    export "WEED_GRPC_${server}_CERT=$CERTIFICATES/tls.crt" "WEED_GRPC_${server}_KEY=$CERTIFICATES/tls.key"
done
# signs the tokens with which these servers write to each other by HTTP
token=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export WEED_JWT_SIGNING_KEY="$token" WEED_JWT_FILER_SIGNING_KEY="$token" WEED_JWT_FILER_SIGNING_READ_KEY="$token"
mkdir -p data

# shellcheck disable=SC2046 # several arguments
weed $(log_options logs/store) mini -dir=data -ip=127.0.0.1 -ip.bind=127.0.0.1 -bucket=loupe -s3=false \
    -disableHttp=true -master.telemetry=false -master.resumeState=false -volume.preStopSeconds=0 -filer.maxMB=1 \
    -webdav=false -admin.ui=false &
store=$!
# shellcheck disable=SC2046
weed $(log_options logs/s3) s3 -config=/tmp/s3.json -filer=127.0.0.1:8888 -ip.bind=0.0.0.0 -port=8333 \
    -allowedOrigins="$S3_ALLOWED_ORIGINS" -iam=false -port.iceberg=0 -port.lance=0 -autoCreateBucket=false -allowDeleteBucketNotEmpty=false &
s3=$!
trap 'kill $s3 $store' TERM INT

# make the store write each object to the disk before it answers; repeat until it has accepted this
until shell 'fs.configure -locationPrefix=/buckets/ -fsync -apply' | grep -q '"fsync":'; do sleep 1; done &

# neither server is of use without the other: stop both when one ends
watch_disk data "$store" "$s3"
kill "$store" "$s3" 2>/dev/null || true
wait "$store" "$s3" || true
