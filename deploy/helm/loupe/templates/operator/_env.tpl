{{/* The environment variables of loupe-admin. */}}
{{- define "loupe.operator.env" -}}
{{ include "loupe.targets.env" (list . "LOUPE" "operator") | trim }}
{{ include "loupe.env.secret" (list "LOUPE_OPERATOR_SECRET" (include "loupe.credentials.secret" .) "operator") }}
{{- include "loupe.mtls.env" (list . "loupe") }}
{{- end }}
