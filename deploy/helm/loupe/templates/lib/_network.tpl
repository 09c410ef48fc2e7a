{{/* Parts of NetworkPolicies. */}}

{{/* The beginning of a component's policy, up to its pod selector. */}}
{{- define "loupe.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "loupe.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "loupe.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end }}

{{/* Allow traffic from or to the pods of components: `(list $ direction names port)`. */}}
{{- define "loupe.policy.pods" -}}
- {{ index . 1 }}:
    {{- range index . 2 }}
    - podSelector:
        matchLabels:
          {{- include "loupe.selector" (list (index $ 0) .) | nindent 10 }}
    {{- end }}
  ports:
    - {protocol: TCP, port: {{ index . 3 }}}
{{- end }}

{{/* Allow the calls of the components that call `(list $ service)`. */}}
{{- define "loupe.policy.fromCallers" -}}
{{ include "loupe.policy.pods" (list (index . 0) "from" (include "loupe.callers" . | fromJsonArray) 9000) }}
{{- end }}

{{/* Allow the calls of `(list $ component)` to services. */}}
{{- define "loupe.policy.toServices" -}}
{{ include "loupe.policy.pods" (list (index . 0) "to" (include "loupe.callees" . | fromJsonArray) 9000) }}
{{- end }}

{{/* Allow traffic from or to the given peers, or everybody if there are none: `(list direction peers port)`. */}}
{{- define "loupe.policy.peers" -}}
- ports:
    - {protocol: TCP, port: {{ index . 2 }}}
  {{- with index . 1 }}
  {{ index $ 0 }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Allow Prometheus to reach the given ports. */}}
{{- define "loupe.policy.monitoring" -}}
{{- range index . 1 }}
{{ include "loupe.policy.peers" (list "from" (index $ 0).Values.networkPolicy.monitoring .) }}
{{- end }}
{{- end }}

{{- define "loupe.policy.dns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}

{{/* Allow traffic to a store: `(list $ key component port external-port)`. */}}
{{- define "loupe.policy.store" -}}
{{- $root := index . 0 -}}
{{- if include "loupe.bundled" (list $root (index . 1)) -}}
{{ include "loupe.policy.pods" (list $root "to" (list (index . 2)) (index . 3)) }}
{{- else -}}
{{ include "loupe.policy.peers" (list "to" (index $root.Values.networkPolicy.external (index . 1)) (index . 4)) }}
{{- end }}
{{- end }}

{{- define "loupe.policy.toPostgresql" -}}
{{ include "loupe.policy.store" (list . "postgresql" "postgresql" 5432 (int .Values.postgresql.external.port)) }}
{{- end }}

{{- define "loupe.policy.toNats" -}}
{{ include "loupe.policy.store" (list . "nats" "nats" 4222 (int .Values.nats.external.port)) }}
{{- end }}

{{- define "loupe.policy.toObjects" -}}
{{ include "loupe.policy.store" (list . "objectStore" "object-store" 8333 (include "loupe.port" .Values.objectStore.external.endpoint | int)) }}
{{- if include "loupe.objects.byPlatform" . }}
{{ include "loupe.policy.platform" . }}
{{- end }}
{{- end }}

{{/* Allow traffic to whoever gives the pods of a platform their credentials. */}}
{{- define "loupe.policy.platform" -}}
# the agent of EKS Pod Identity on the node, and STS
- to:
    - ipBlock: {cidr: 169.254.170.23/32}
    - ipBlock: {cidr: "fd00:ec2::23/128"}
  ports:
    - {protocol: TCP, port: 80}
- ports:
    - {protocol: TCP, port: 443}
{{- end }}

{{/* Allow what all services need, and what the values add for this one. */}}
{{- define "loupe.policy.common" -}}
{{- $root := index . 0 -}}
{{- $values := include "loupe.values" . | fromYaml -}}
{{ include "loupe.policy.dns" $root }}
{{- with $root.Values.tracing.endpoint }}
{{ include "loupe.policy.peers" (list "to" $root.Values.networkPolicy.external.tracing (include "loupe.port" . | int)) }}
{{- end }}
{{- with $values.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The port of a URL. */}}
{{- define "loupe.port" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{ $port | default (ternary "443" "80" (eq $url.scheme "https")) }}
{{- end }}

{{/* The components that save and restore the stores in the cluster, as JSON. */}}
{{- define "loupe.backup.components" -}}
{{- $components := list -}}
{{- if .Values.backup.enabled }}{{ $components = append $components "backup" }}{{ end -}}
{{- if .Values.backup.restore }}{{ $components = append $components "restore" }}{{ end -}}
{{ toJson $components }}
{{- end }}

{{/* The components with the operator's credential, as JSON. They may call the services too. */}}
{{- define "loupe.policy.operators" -}}
{{- $operators := list -}}
{{- if .Values.operator.enabled }}{{ $operators = append $operators "operator" }}{{ end -}}
{{- if and .Values.tests.enabled .Values.tests.upscale }}{{ $operators = append $operators "test" }}{{ end -}}
{{ toJson $operators }}
{{- end }}
