{{/* The container that creates the roles and databases: files/roles.sh, and a line for each database. The pod is ready, and
     its Service has its address, once they exist. */}}
{{- define "loupe.postgresql.roles" -}}
{{- $bundled := .Values.postgresql.bundled -}}
- name: roles
  image: {{ include "loupe.image" (list . $bundled.image) }}
  imagePullPolicy: {{ $bundled.image.pullPolicy }}
  securityContext:
    {{- include "loupe.container.security" . | nindent 4 }}
  command: [sh, -c]
  args:
    - |
      {{- .Files.Get "files/roles.sh" | trim | nindent 6 }}
      query postgres postgres "$POSTGRES_PASSWORD" postgres <<'SQL'
      SET log_statement = 'none';
      ALTER ROLE :"role" PASSWORD :'password';
      SQL
      {{- range $service := include "loupe.databases" . | fromJsonArray }}
      create "${{ upper $service }}_ROLE" "${{ upper $service }}_DATABASE" "${{ upper $service }}_PASSWORD"
      {{- end }}
      touch "$SCRATCH/roles-exist"
      sleep infinity &
      trap 'kill "$!"' TERM INT
      wait "$!" || true
  env:
    - name: PGHOST
      value: /var/run/postgresql
    - name: PGUSER
      value: postgres
    - name: WAIT_SECONDS
      value: "600"
    - name: SCRATCH
      value: /tmp/roles
    {{- include "loupe.env.secret" (list "POSTGRES_PASSWORD" (include "loupe.postgresql.admin" .) "postgres") | nindent 4 }}
    {{- range $service := include "loupe.databases" . | fromJsonArray }}
    {{- include "loupe.postgresql.role.env" (list $ $service) | nindent 4 }}
    {{- end }}
  startupProbe:
    exec:
      command: [test, -e, /tmp/roles/roles-exist]
    periodSeconds: 1
    timeoutSeconds: 5
    failureThreshold: 900
  resources:
    {{- include "loupe.resources" (list . .Values.helpers.resources) | nindent 4 }}
  volumeMounts:
    - name: run
      mountPath: /var/run/postgresql
    - name: roles
      mountPath: /tmp/roles
  terminationMessagePolicy: FallbackToLogsOnError
{{- end }}

{{/* The role, database and password of `(list $ service)`. */}}
{{- define "loupe.postgresql.role.env" -}}
{{- $service := index . 1 -}}
{{- $database := index (index . 0).Values.postgresql.databases $service -}}
{{- $secret := include "loupe.postgresql.secret" . | splitList " " -}}
- name: {{ upper $service }}_ROLE
  value: {{ $database.user | quote }}
- name: {{ upper $service }}_DATABASE
  value: {{ $database.name | quote }}
{{ include "loupe.env.secret" (list (printf "%s_PASSWORD" (upper $service)) (first $secret) (last $secret)) }}
{{- end }}

{{/* "yes" if the PostgreSQL that runs now is ready and has the role of `(list $ service)` as the values name it. */}}
{{- define "loupe.postgresql.role.isThere" -}}
{{- $root := index . 0 -}}
{{- $live := lookup "apps/v1" "StatefulSet" $root.Release.Namespace (include "loupe.name" (list $root "postgresql")) | default dict -}}
{{- $there := dict -}}
{{- range $container := dig "spec" "template" "spec" "containers" list $live -}}
{{- if eq $container.name "roles" -}}
{{- range $container.env }}{{ $_ := set $there .name (toJson .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $differ := list -}}
{{- range include "loupe.postgresql.role.env" . | fromYamlArray -}}
{{- if ne (get $there .name) (toJson .) }}{{ $differ = append $differ .name }}{{ end -}}
{{- end -}}
{{- if and (not $differ) (gt (dig "status" "readyReplicas" 0 $live | int) 0) }}yes{{ end -}}
{{- end }}
