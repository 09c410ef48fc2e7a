{{/* The Secret that holds the superuser's password, and those of the roles unless they have their own. */}}
{{- define "loupe.postgresql.admin" -}}
{{ .Values.postgresql.existingSecret | default (include "loupe.name" (list . "postgresql")) }}
{{- end }}
