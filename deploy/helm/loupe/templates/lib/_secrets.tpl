{{/* Secrets that are generated once. A value that the cluster has already is kept. */}}

{{/* The Secret of `(list $ component suffix keys)`. Keys that the cluster's Secret lacks are added. */}}
{{- define "loupe.secret" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $name := printf "%s%s" (include "loupe.name" (list $root $component)) (index . 2) -}}
{{- $there := (lookup "v1" "Secret" $root.Release.Namespace $name).data | default dict -}}
{{- if and (not $root.Values.useHelmHooks) (not $there) -}}
{{- fail (printf "With useHelmHooks=false another tool than Helm applies the chart, and would generate new secrets each time. Create the Secret that %s needs and name it as its existingSecret; the README lists the keys." $component) -}}
{{- end -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "loupe.metadata" (list $root $component (index . 2) (dict "helm.sh/resource-policy" "keep")) | nindent 2 }}
type: Opaque
data:
  {{- range $key := index . 3 }}
  {{ $key }}: {{ index $there $key | default (include "loupe.random" $ | b64enc) }}
  {{- end }}
{{- end }}

{{/* 40 letters and digits that begin with a letter: safe in URLs, in JSON and in the configuration of NATS. */}}
{{- define "loupe.random" -}}
{{ randAlpha 1 }}{{ randAlphaNum 39 }}
{{- end }}

{{/* The Secret of auth: its signing secret, and the secret of each client. */}}
{{- define "loupe.credentials.secret" -}}
{{ .Values.auth.credentials.existingSecret | default (printf "%s-credentials" (include "loupe.name" (list . "auth"))) }}
{{- end }}

{{/* An environment variable from a Secret: `(list name secret key)`. */}}
{{- define "loupe.env.secret" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}
{{- end }}

{{/* The same for a key that the Secret may lack. */}}
{{- define "loupe.env.optionalSecret" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}, optional: true}
{{- end }}

{{- define "loupe.client.env" -}}
{{ include "loupe.env.secret" (list (printf "%s_CLIENT_SECRET" (upper (index . 1))) (include "loupe.credentials.secret" (index . 0)) (index . 1)) }}
{{- end }}
