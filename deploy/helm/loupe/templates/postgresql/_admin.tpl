{{/* The Secret with the superuser's password, and the passwords of the roles that have no Secret of their own. */}}
{{- define "loupe.postgresql.admin" -}}
{{ .Values.postgresql.existingSecret | default (include "loupe.name" (list . "postgresql")) }}
{{- end }}
