# SeaweedFS with one bucket, and one identity for each service that stores objects; telemetry is off.
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
# master.resumeState: else it may refuse writes for 15 s after a restart
# filer.maxMB: in pieces of 4 MB, as usual, an object takes a third longer and twice the memory
exec weed -logtostderr mini -dir="$DATA" -bucket="$BUCKET" -s3.config=s3.json \
    -ip="$ADDRESS" -ip.bind=0.0.0.0 -s3.port=8333 \
    -master.port=9333 -volume.port=9340 -filer.port=8888 -admin.port=23646 \
    -master.port.grpc=19333 -volume.port.grpc=19340 -filer.port.grpc=18888 -s3.port.grpc=18333 \
    -admin.port.grpc=33646 \
    -master.telemetry=false -master.resumeState=false -volume.preStopSeconds=0 -webdav=false -admin.ui=false \
    -filer.maxMB=1 -s3.port.iceberg=0 -s3.port.lance=0 -s3.autoCreateBucket=false \
    -s3.allowDeleteBucketNotEmpty=false -s3.localSocket=s3.sock -filer.localSocket=filer.sock
