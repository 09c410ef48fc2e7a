{{/* Files with which a service logs in to an external NATS or PostgreSQL: client certificates, and credentials of NATS. */}}

{{/* The Secret with the client certificate of `(list $ store component)`, or nothing. */}}
{{- define "loupe.clientTls.secret" -}}
{{- $root := index . 0 -}}
{{- $store := index . 1 -}}
{{- if not (include "loupe.bundled" (list $root $store)) -}}
{{- $given := (index $root.Values $store).external.clientTls -}}
{{ get $given.existingSecrets (index . 2) | default $given.existingSecret }}
{{- end -}}
{{- end }}

{{/* The Secret with credentials files of an external NATS, or nothing. */}}
{{- define "loupe.nats.credentials" -}}
{{- if not (include "loupe.bundled" (list . "nats")) }}{{ .Values.nats.external.credentials.existingSecret }}{{ end -}}
{{- end }}

{{/* Refuse logins to an external NATS that a service lacks, or that are never used. */}}
{{- define "loupe.logins.check" -}}
{{- range $name := include "loupe.services" . | fromJsonArray -}}
{{- $certificate := include "loupe.clientTls.secret" (list $ "nats" $name) -}}
{{- if and $certificate (not $.Values.nats.external.tls) -}}
{{- fail "nats.external.clientTls needs nats.external.tls=true: without TLS nobody asks for a certificate" -}}
{{- end -}}
{{- if not (or $certificate (include "loupe.nats.secret" $) (include "loupe.nats.credentials" $)) -}}
{{- fail (printf "%s has no login at the external NATS: name its certificate as nats.external.clientTls.existingSecrets.%s, or one for all as nats.external.clientTls.existingSecret" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The environment variables that name these files, for the NATS of `(list $ component)`. */}}
{{- define "loupe.logins.env" -}}
{{- $prefix := index . 1 | upper -}}
{{- if include "loupe.nats.credentials" (index . 0) }}
- name: {{ $prefix }}_NATS_CREDENTIALS_FILE
  value: /nats-credentials/{{ index . 1 }}.creds
{{- end }}
{{- if include "loupe.clientTls.secret" (list (index . 0) "nats" (index . 1)) }}
- name: {{ $prefix }}_NATS_CERTIFICATE
  value: /nats-tls/tls.crt
- name: {{ $prefix }}_NATS_KEY
  value: /nats-tls/tls.key
{{- end }}
{{- end }}

{{/* The stores whose files `(list $ component)` needs, as JSON. */}}
{{- define "loupe.logins.stores" -}}
{{- $stores := list "nats" -}}
{{- if has (index . 1) (include "loupe.databases" (index . 0) | fromJsonArray) }}{{ $stores = append $stores "postgresql" }}{{ end -}}
{{ toJson $stores }}
{{- end }}

{{/* The mounts and the volumes of these files: `(list $ component stores)`. */}}
{{- define "loupe.logins.mounts" -}}
{{- range $store := index . 2 }}
{{- if include "loupe.clientTls.secret" (list (index $ 0) $store (index $ 1)) }}
- name: {{ $store }}-tls
  mountPath: /{{ $store }}-tls
  readOnly: true
{{- end }}
{{- if and (eq $store "nats") (include "loupe.nats.credentials" (index $ 0)) }}
- name: nats-credentials
  mountPath: /nats-credentials
  readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{- define "loupe.logins.volumes" -}}
{{- range $store := index . 2 }}
{{- with include "loupe.clientTls.secret" (list (index $ 0) $store (index $ 1)) }}
- name: {{ $store }}-tls
  secret:
    secretName: {{ . }}
    # PostgreSQL's library refuses a key that everybody may read
    defaultMode: 0440
{{- end }}
{{- if eq $store "nats" }}
{{- with include "loupe.nats.credentials" (index $ 0) }}
- name: nats-credentials
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - {key: {{ index $ 1 }}.creds, path: {{ index $ 1 }}.creds}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
