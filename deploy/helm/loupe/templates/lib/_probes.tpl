{{/* Started: it answers at all. Live: its loop turns. Ready: it has what it needs. */}}

{{- define "loupe.probes.worker" -}}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}

{{/* Ready once, and then for as long as it lives: for services that know how to answer while something they need is
     away, better than all replicas leaving their Service together. */}}
{{- define "loupe.probes.steady" -}}
startupProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 300
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}

{{/* gRPC services wait for their stores before they listen, so that is no reason to restart them. The kubelet
     speaks no TLS to a gRPC port: with mTLS the plain port is asked instead. */}}
{{- define "loupe.probes.grpc" -}}
{{- if (index . 0).Values.mtls.enabled -}}
{{ include "loupe.probes.steady" . }}
{{- else -}}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  grpc: {port: 9000}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}
{{- end }}

{{/* The pod leaves the Services' addresses while it still serves; then comes SIGTERM. */}}
{{- define "loupe.preStop" -}}
lifecycle:
  preStop:
    sleep: {seconds: {{ . }}}
{{- end }}
