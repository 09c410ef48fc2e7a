# Starts SeaweedFS with one bucket, and one identity for each service that stores objects. Telemetry is off. The S3
# server checks credentials. The servers behind it listen on the loopback of this pod, and gRPC accepts only those who
# show the certificate in $CERTIFICATES. Otherwise the S3 server's port of gRPC would make anybody an administrator.
# Web pages of the origins $ALLOWED_ORIGINS may use signed links (CORS).
set -eu
umask 077
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
printf '{"identities": [%s, %s], "policies": [%s, %s]}' \
    "$(identity images "$IMAGES_ACCESS_KEY" "$IMAGES_SECRET_KEY")" \
    "$(identity inference "$INFERENCE_ACCESS_KEY" "$INFERENCE_SECRET_KEY")" \
    "$(policy images "$(allow '' s3:ListBucket)" "$(allow '/images/*' s3:GetObject)" \
        "$(allow '/images/*' s3:PutObject)" "$(allow '/images/*' s3:DeleteObject)")" \
    "$(policy inference "$(allow '/images/originals/*' s3:GetObject)" \
        "$(allow '/images/upscaled/*' s3:PutObject)" "$(allow '/images/previews/*' s3:PutObject)")" > "$SCRATCH/s3.json"
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
cd "$SCRATCH"
# master.resumeState: if true, it may refuse writes for 15 s after a restart
# filer.maxMB: the default of 4 makes uploads a third slower and takes twice the memory
weed -logtostderr mini -dir="$DATA" -bucket="$BUCKET" -s3=false -ip=127.0.0.1 -ip.bind=127.0.0.1 \
    -master.port=9333 -volume.port=9340 -filer.port=8888 -admin.port=23646 \
    -master.port.grpc=19333 -volume.port.grpc=19340 -filer.port.grpc=18888 -admin.port.grpc=33646 \
    -disableHttp=true -master.telemetry=false -master.resumeState=false -volume.preStopSeconds=0 -webdav=false -admin.ui=false \
    -filer.maxMB=1 -filer.localSocket=filer.sock &
store=$!
weed -logtostderr s3 -config=s3.json -filer=127.0.0.1:8888.18888 -ip.bind="$LISTEN" -port=8333 -port.grpc=18333 \
    -allowedOrigins="$ALLOWED_ORIGINS" -iam=false -port.iceberg=0 -port.lance=0 -autoCreateBucket=false -allowDeleteBucketNotEmpty=false \
    -localSocket=s3.sock &
s3=$!
trap 'kill "$s3" "$store"' TERM INT
# make the store write each object to the disk before it answers: a power failure then loses nothing
until echo 'fs.configure -locationPrefix=/buckets/ -fsync -apply' \
    | weed shell -master=127.0.0.1:9333.19333 -filer=127.0.0.1:8888.18888 2>/dev/null | grep -q '"fsync":'; do sleep 1; done &
# neither server is of use without the other: stop both when one ends
watch_disk "$DATA" "$store" "$s3"
kill "$store" "$s3" 2>/dev/null || true
wait "$store" "$s3" || true
