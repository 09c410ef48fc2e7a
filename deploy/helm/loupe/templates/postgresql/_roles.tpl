{{/* The Job that creates the roles and databases: files/roles.sh, and a line for each database. The migrations wait until
     they can log in. */}}
{{- define "loupe.postgresql.roles" -}}
{{- $bundled := .Values.postgresql.bundled -}}
backoffLimit: 6
activeDeadlineSeconds: 1800
template:
  metadata:
    labels:
      {{- include "loupe.pod.labels" (list . "postgresql-roles") | nindent 6 }}
  spec:
    {{- include "loupe.pod.once" (list . ($bundled.serviceAccountName | default (include "loupe.name" (list . "postgresql"))) "Never" $bundled.uid) | nindent 4 }}
    {{- with $bundled.nodeSelector }}
    nodeSelector:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $bundled.tolerations }}
    tolerations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    containers:
      - name: roles
        image: {{ include "loupe.image" (list . $bundled.image) }}
        imagePullPolicy: {{ $bundled.image.pullPolicy }}
        securityContext:
          {{- include "loupe.container.security" . | nindent 10 }}
        command: [sh, -c]
        args:
          - |
            {{- .Files.Get "files/roles.sh" | trim | nindent 12 }}
            {{- range $service := include "loupe.databases" . | fromJsonArray }}
            create "${{ upper $service }}_ROLE" "${{ upper $service }}_DATABASE" "${{ upper $service }}_PASSWORD"
            {{- end }}
        env:
          - name: PGHOST
            value: {{ include "loupe.postgresql.host" . }}
          - name: PGUSER
            value: postgres
          {{- include "loupe.env.secret" (list "PGPASSWORD" (include "loupe.postgresql.admin" .) "postgres") | nindent 10 }}
          {{- range $service := include "loupe.databases" . | fromJsonArray }}
          {{- $database := index $.Values.postgresql.databases $service }}
          {{- $secret := include "loupe.postgresql.secret" (list $ $service) | splitList " " }}
          - name: {{ upper $service }}_ROLE
            value: {{ $database.user | quote }}
          - name: {{ upper $service }}_DATABASE
            value: {{ $database.name | quote }}
          {{- include "loupe.env.secret" (list (printf "%s_PASSWORD" (upper $service)) (first $secret) (last $secret)) | nindent 10 }}
          {{- end }}
        resources:
          requests: {cpu: 10m, memory: 32Mi}
          limits: {memory: 128Mi}
        volumeMounts:
          {{- include "loupe.tmp.mount" . | nindent 10 }}
    volumes:
      {{- include "loupe.tmp.volume" "16Mi" | nindent 6 }}
{{- end }}
