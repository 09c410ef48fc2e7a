{{/* Migrations: one container, used by the hook that applies them and by the pods that need them. */}}

{{/* The container of `(list $ component mode)`. The script is an argument, because a hook runs before the ConfigMaps of its
     release exist. Exit code 75: the database cannot be used. */}}
{{- define "loupe.schema.container" -}}
{{- $it := list (index . 0) (index . 1) -}}
{{ include "loupe.container" $it }}
command: [python, -c]
args:
  - |
    {{- (index . 0).Files.Get "files/schema.py" | trim | nindent 4 }}
  - {{ index . 2 }}
env:
  - name: SERVICE
    value: {{ index . 1 }}
  - name: WAIT_SECONDS
    value: {{ (index . 0).Values.migrations.waitSeconds | quote }}
  - name: LOGIN
    value: {{ include "loupe.postgresql.login" $it }}
  {{- include "loupe.postgresql.env" $it | nindent 2 }}
  {{- with include "loupe.authorities.env" (index . 0) }}
  {{- trim . | nindent 2 }}
  {{- end }}
  {{- with (index . 0).Values.migrations.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  {{- include "loupe.resources" (list (index . 0) (index . 0).Values.migrations.resources) | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  {{- include "loupe.tmp.mount" . | nindent 2 }}
  {{- with include "loupe.logins.mounts" (append $it (list "postgresql")) }}
  {{- trim . | nindent 2 }}
  {{- end }}
  {{- with include "loupe.authorities.mount" (index . 0) }}
  {{- trim . | nindent 2 }}
  {{- end }}
  {{- with (index . 0).Values.migrations.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The init container of a service: nothing starts before the tables are new enough. It migrates an empty database, and
     whatever no hook has migrated. Replicas take turns. */}}
{{- define "loupe.schema.init" -}}
- name: schema
  {{- include "loupe.schema.container" (append . (ternary "upgrade" "wait" (index . 0).Values.migrations.enabled)) | nindent 2 }}
{{- end }}

{{/* "yes" if a hook migrates the database of `(list $ service)`. It runs before an upgrade changes anything: if a migration
     fails, the old release keeps running. A hook is impossible if this upgrade brings what it needs: the database, its role
     or a Secret. The pods then migrate when they start. */}}
{{- define "loupe.schema.isHook" -}}
{{- $root := index . 0 -}}
{{- $namespace := $root.Release.Namespace -}}
{{- if and $root.Values.migrations.enabled $root.Values.useHelmHooks $root.Release.IsUpgrade -}}
{{- $isReady := "yes" -}}
{{- with include "loupe.postgresql.secret" . -}}
{{- $secret := splitList " " . -}}
{{- if not (hasKey ((lookup "v1" "Secret" $namespace (first $secret)).data | default dict) (last $secret)) }}{{ $isReady = "" }}{{ end -}}
{{- end -}}
{{- with include "loupe.clientTls.secret" (list $root "postgresql" (index . 1)) -}}
{{- if not (lookup "v1" "Secret" $namespace .) }}{{ $isReady = "" }}{{ end -}}
{{- end -}}
{{- if include "loupe.bundled" (list $root "postgresql") }}{{ $isReady = and $isReady (include "loupe.postgresql.role.isThere" .) }}{{ end -}}
{{ $isReady }}
{{- end -}}
{{- end }}

{{/* The services whose databases hooks migrate, as JSON. Decided once and kept in the root, which all templates share: the
     database may become ready while Helm renders, and a Job would lack its ServiceAccount. */}}
{{- define "loupe.schema.hooks" -}}
{{- if not (hasKey . "schemaHooks") -}}
{{- $hooks := list -}}
{{- range $name := include "loupe.databases" . | fromJsonArray -}}
{{- if include "loupe.schema.isHook" (list $ $name) }}{{ $hooks = append $hooks $name }}{{ end -}}
{{- end -}}
{{- $_ := set . "schemaHooks" (toJson $hooks) -}}
{{- end -}}
{{ .schemaHooks }}
{{- end }}

{{- define "loupe.migrations.account" -}}
{{ .Values.migrations.serviceAccountName | default (include "loupe.name" (list . "migrations")) }}
{{- end }}

{{/* The spec of the Job. */}}
{{- define "loupe.schema.job" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $component := printf "migrate-%s" $name -}}
{{- $values := index $root.Values $name -}}
backoffLimit: {{ $root.Values.migrations.backoffLimit }}
activeDeadlineSeconds: {{ int64 $root.Values.migrations.activeDeadlineSeconds }}
# a database that cannot be reached ends the Job at once, with a sentence in its log
podFailurePolicy:
  rules:
    - action: FailJob
      onExitCodes: {containerName: migrate, operator: In, values: [75]}
template:
  metadata:
    labels:
      {{- include "loupe.pod.labels" (list $root $component $root.Values.migrations.podLabels) | nindent 6 }}
    {{- with $root.Values.migrations.podAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    {{- /* Never keeps the pods of a failed Job, and with them their logs */}}
    {{- include "loupe.pod.once" (list $root (include "loupe.migrations.account" $root) $root.Values.migrations $root.Values.uid) | nindent 4 }}
    {{- with include "loupe.sidecars" $values.extraInitContainers }}
    initContainers:
      {{- . | nindent 6 }}
    {{- end }}
    containers:
      - name: migrate
        {{- include "loupe.schema.container" (list $root $name "upgrade") | nindent 8 }}
    volumes:
      {{- include "loupe.tmp.volume" "64Mi" | nindent 6 }}
      {{- with include "loupe.logins.volumes" (list $root $name (list "postgresql")) }}
      {{- trim . | nindent 6 }}
      {{- end }}
      {{- with include "loupe.authorities.volume" $root }}
      {{- trim . | nindent 6 }}
      {{- end }}
      {{- with $root.Values.migrations.extraVolumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- if include "loupe.sidecars" $values.extraInitContainers }}
      {{- with $values.extraVolumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- end }}
{{- end }}
