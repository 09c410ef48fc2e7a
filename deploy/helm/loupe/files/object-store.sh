# Starts SeaweedFS with one bucket, and one identity for each service that stores objects. Telemetry is off. Only the
# S3 server checks credentials; the servers behind it listen on the loopback of this pod.
set -eu
umask 077
identity() {
    actions=
    for action in Read Write List Tagging; do actions="$actions${actions:+, }\"$action:$BUCKET\""; done
    printf '{"name": "%s", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], "actions": [%s]}' "$@" "$actions"
}
printf '{"identities": [%s, %s]}' \
    "$(identity images "$IMAGES_ACCESS_KEY" "$IMAGES_SECRET_KEY")" \
    "$(identity inference "$INFERENCE_ACCESS_KEY" "$INFERENCE_SECRET_KEY")" > "$SCRATCH/s3.json"
cd "$SCRATCH"
# master.resumeState: if true, it may refuse writes for 15 s after a restart
# filer.maxMB: the default of 4 makes uploads a third slower and takes twice the memory
weed -logtostderr mini -dir="$DATA" -bucket="$BUCKET" -s3=false -ip=127.0.0.1 -ip.bind=127.0.0.1 \
    -master.port=9333 -volume.port=9340 -filer.port=8888 -admin.port=23646 \
    -master.port.grpc=19333 -volume.port.grpc=19340 -filer.port.grpc=18888 -admin.port.grpc=33646 \
    -master.telemetry=false -master.resumeState=false -volume.preStopSeconds=0 -webdav=false -admin.ui=false \
    -filer.maxMB=1 -filer.localSocket=filer.sock &
store=$!
weed -logtostderr s3 -config=s3.json -filer=127.0.0.1:8888.18888 -ip.bind=0.0.0.0 -port=8333 -port.grpc=18333 \
    -port.iceberg=0 -port.lance=0 -autoCreateBucket=false -allowDeleteBucketNotEmpty=false -localSocket=s3.sock &
s3=$!
trap 'kill "$s3" "$store"' TERM INT
# neither server is of use without the other: stop both when one ends
while kill -0 "$store" "$s3" 2>/dev/null; do sleep 1; done
kill "$store" "$s3" 2>/dev/null || true
wait
