{{/* The services, and who calls whom. Targets, network policies, credentials, certificates, databases and users of NATS
     follow from the lists in this file and from the values. */}}

{{/* All services, as JSON. */}}
{{- define "loupe.services" -}}
["gateway", "auth", "images", "billing", "inference", "outbound"]
{{- end }}

{{/* Which services each component calls by gRPC, as YAML. The operator's calls are those of `helm test` too. */}}
{{- define "loupe.calls" -}}
gateway: [auth, billing, images, outbound]
auth: []
billing: [auth]
images: [auth, billing, outbound]
inference: [auth, images]
outbound: [auth, images]
operator: [auth, billing, images, outbound]
{{- end }}

{{/* The components that auth gives tokens of their own, as JSON. */}}
{{- define "loupe.clients" -}}
["gateway", "images", "inference", "outbound", "operator"]
{{- end }}

{{/* The services that have a database, as JSON. */}}
{{- define "loupe.databases" -}}
{{ keys .Values.postgresql.databases | sortAlpha | toJson }}
{{- end }}

{{/* The services that `(list $ component)` calls, as JSON. */}}
{{- define "loupe.callees" -}}
{{ index (include "loupe.calls" (index . 0) | fromYaml) (index . 1) | toJson }}
{{- end }}

{{/* The components that call `(list $ service)`, as JSON. */}}
{{- define "loupe.callers" -}}
{{- $root := index . 0 -}}
{{- $service := index . 1 -}}
{{- $callers := list -}}
{{- range $name := include "loupe.services" $root | fromJsonArray -}}
{{- if has $service (include "loupe.callees" (list $root $name) | fromJsonArray) }}{{ $callers = append $callers $name }}{{ end -}}
{{- end -}}
{{- if has $service (include "loupe.callees" (list $root "operator") | fromJsonArray) -}}
{{- $callers = concat $callers (include "loupe.policy.operators" $root | fromJsonArray) -}}
{{- end -}}
{{ toJson $callers }}
{{- end }}
