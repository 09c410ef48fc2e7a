{{/* Whom external stores and the mail server are believed by: the bundle of the image, or that of a ConfigMap. */}}

{{/* psycopg brings an OpenSSL that looks for certificates where there are none, unless it is told. */}}
{{- define "loupe.authorities.env" -}}
{{- with .Values.authorities.existingConfigMap }}
- name: SSL_CERT_FILE
  value: /authorities/{{ $.Values.authorities.key }}
{{- else }}
{{- if not (include "loupe.bundled" (list . "postgresql")) }}
- name: SSL_CERT_FILE
  value: /etc/ssl/certs/ca-certificates.crt
{{- end }}
{{- end }}
{{- end }}

{{- define "loupe.authorities.mount" -}}
{{- if .Values.authorities.existingConfigMap }}
- name: authorities
  mountPath: /authorities
  readOnly: true
{{- end }}
{{- end }}

{{- define "loupe.authorities.volume" -}}
{{- with .Values.authorities.existingConfigMap }}
- name: authorities
  configMap:
    name: {{ . }}
{{- end }}
{{- end }}
