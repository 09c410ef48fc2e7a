{{/* The pods that save the stores in the cluster to a bucket elsewhere, and those that restore them. */}}

{{/* The services whose databases are saved, in the order in which a later dump cannot do harm: docs/backup.md says why. */}}
{{- define "loupe.backup.databases" -}}
{{- if include "loupe.bundled" (list . "postgresql") }}["outbound", "images", "billing", "auth"]{{ else }}[]{{ end -}}
{{- end }}

{{/* Refuse a backup that saves nothing, or that cannot be stored. */}}
{{- define "loupe.backup.check" -}}
{{- $backup := .Values.backup -}}
{{- if or $backup.enabled $backup.restore -}}
{{- if not (or (include "loupe.bundled" (list . "postgresql")) (include "loupe.bundled" (list . "objectStore"))) -}}
{{- fail "backup saves the stores in the cluster, and postgresql and objectStore are both external: back them up where they are" -}}
{{- end -}}
{{- $_ := required "backup needs backup.s3.endpoint and backup.s3.bucket, a store outside of this release" (and $backup.s3.endpoint $backup.s3.bucket) -}}
{{- if and (not $backup.s3.existingSecret) (not $backup.s3.platformCredentials) -}}
{{- fail "backup needs keys for its bucket: set backup.s3.existingSecret, or backup.s3.platformCredentials" -}}
{{- end -}}
{{- end -}}
{{- if and $backup.restore (not .Values.paused) -}}
{{- fail "backup.restore replaces the databases, so no service may run: set paused=true too" -}}
{{- end -}}
{{- end }}

{{/* The container with PostgreSQL's programs: `(list $ verb...)`. Each verb is a function of files/dumps.sh, applied to all
     databases before the next one. */}}
{{- define "loupe.backup.dumps" -}}
{{- $root := index . 0 -}}
{{- $bundled := $root.Values.postgresql.bundled -}}
image: {{ include "loupe.image" (list $root $bundled.image) }}
imagePullPolicy: {{ $bundled.image.pullPolicy }}
securityContext:
  {{- include "loupe.container.security" $root | nindent 2 }}
command: [sh, -c]
args:
  - |
    {{- $root.Files.Get "files/dumps.sh" | trim | nindent 4 }}
    {{- range $verb := rest . }}
    {{- range $service := include "loupe.backup.databases" $root | fromJsonArray }}
    {{ $verb }} {{ $service }} "${{ upper $service }}_ROLE" "${{ upper $service }}_DATABASE"{{ if eq $verb "save" }} "${{ upper $service }}_PASSWORD"{{ end }}
    {{- end }}
    {{- end }}
env:
  - name: PGHOST
    value: {{ include "loupe.postgresql.host" $root }}
  - name: WAIT_SECONDS
    value: {{ $root.Values.backup.waitSeconds | quote }}
  - name: DUMPS
    value: /dumps
  {{- if not (has "save" .) }}
  - name: PGUSER
    value: postgres
  {{- include "loupe.env.secret" (list "PGPASSWORD" (include "loupe.postgresql.admin" $root) "postgres") | nindent 2 }}
  {{- end }}
  {{- range $service := include "loupe.backup.databases" $root | fromJsonArray }}
  {{- include "loupe.postgresql.role.env" (list $root $service) | nindent 2 }}
  {{- end }}
  {{- with $root.Values.backup.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  {{- include "loupe.resources" (list $root $root.Values.backup.resources) | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - name: dumps
    mountPath: /dumps
  {{- with $root.Values.backup.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The container that reads and writes both stores: `(list $ argument...)`. */}}
{{- define "loupe.backup.copy" -}}
{{- $root := index . 0 -}}
{{- $s3 := $root.Values.backup.s3 -}}
image: {{ include "loupe.ownImage" (list $root $root.Values.images.image) }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  {{- include "loupe.container.security" $root | nindent 2 }}
command: [python, -c]
args:
  - |
    {{- $root.Files.Get "files/backup.py" | trim | nindent 4 }}
  {{- range rest . }}
  - {{ . | quote }}
  {{- end }}
env:
  - name: DUMPS
    value: /dumps
  - name: KEEP
    value: {{ $root.Values.backup.keep | quote }}
  - name: TARGET_ENDPOINT
    value: {{ $s3.endpoint | quote }}
  - name: TARGET_REGION
    value: {{ $s3.region | quote }}
  - name: TARGET_BUCKET
    value: {{ $s3.bucket | quote }}
  - name: TARGET_PREFIX
    value: {{ with trimAll "/" $s3.prefix }}{{ printf "%s/" . | quote }}{{ else }}""{{ end }}
  {{- if $s3.existingSecret }}
  {{- include "loupe.env.secret" (list "TARGET_ACCESS_KEY" $s3.existingSecret $s3.accessKeyKey) | nindent 2 }}
  {{- include "loupe.env.secret" (list "TARGET_SECRET_KEY" $s3.existingSecret $s3.secretKeyKey) | nindent 2 }}
  {{- end }}
  {{- if include "loupe.bundled" (list $root "objectStore") }}
  {{- $secret := include "loupe.objects.secret" (list $root "images") | splitList " " }}
  - name: SOURCE_ENDPOINT
    value: {{ include "loupe.objects.endpoint" $root }}
  - name: SOURCE_REGION
    value: {{ $root.Values.objectStore.region | quote }}
  - name: SOURCE_BUCKET
    value: {{ $root.Values.objectStore.bucket | quote }}
  {{- include "loupe.env.secret" (list "SOURCE_ACCESS_KEY" (index $secret 0) (index $secret 1)) | nindent 2 }}
  {{- include "loupe.env.secret" (list "SOURCE_SECRET_KEY" (index $secret 0) (index $secret 2)) | nindent 2 }}
  {{- end }}
  {{- with include "loupe.authorities.env" $root }}
  {{- trim . | nindent 2 }}
  {{- end }}
  {{- with $root.Values.backup.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  {{- include "loupe.resources" (list $root $root.Values.backup.resources) | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - name: dumps
    mountPath: /dumps
  {{- with $root.Values.backup.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- include "loupe.tmp.mount" $root | nindent 2 }}
  {{- with include "loupe.authorities.mount" $root }}
  {{- trim . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The spec of the Job: `(list $ component)`, where the component is backup or restore. */}}
{{- define "loupe.backup.job" -}}
{{- $root := index . 0 -}}
{{- $backup := $root.Values.backup -}}
{{- $hasDatabases := include "loupe.bundled" (list $root "postgresql") -}}
backoffLimit: {{ $backup.backoffLimit }}
activeDeadlineSeconds: {{ int64 $backup.activeDeadlineSeconds }}
template:
  metadata:
    labels:
      {{- include "loupe.pod.labels" (list $root (index . 1) $backup.podLabels) | nindent 6 }}
    {{- with $backup.podAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    {{- include "loupe.pod.once" (list $root ($backup.serviceAccountName | default (include "loupe.name" (list $root "backup"))) $backup $root.Values.uid) | nindent 4 }}
    {{- if eq (index . 1) "backup" }}
    {{- if $hasDatabases }}
    initContainers:
      - name: dumps
        {{- include "loupe.backup.dumps" (list $root "save") | nindent 8 }}
    {{- end }}
    containers:
      - name: backup
        {{- include "loupe.backup.copy" (list $root "save") | nindent 8 }}
    {{- else }}
    initContainers:
      - name: fetch
        {{- include "loupe.backup.copy" (list $root "fetch" $backup.restore) | nindent 8 }}
      {{- if $hasDatabases }}
      - name: databases
        {{- include "loupe.backup.dumps" (list $root "require" "restore") | nindent 8 }}
      {{- end }}
    containers:
      - name: objects
        {{- include "loupe.backup.copy" (list $root "restore-objects") | nindent 8 }}
    {{- end }}
    volumes:
      - name: dumps
        emptyDir:
          sizeLimit: {{ $backup.scratchSize }}
      {{- include "loupe.tmp.volume" "64Mi" | nindent 6 }}
      {{- with include "loupe.authorities.volume" $root }}
      {{- trim . | nindent 6 }}
      {{- end }}
      {{- with $backup.extraVolumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
{{- end }}
