{{/* Startup: the process answers. Liveness: its event loop runs. Readiness: it reaches what it needs. */}}

{{/* Probes with the changes of the values: `(list changes probes)`, where the second is YAML. Another handler (`exec`, …)
     replaces the default one. */}}
{{- define "loupe.probes" -}}
{{- range $name, $probe := index . 1 | fromYaml }}
{{- $own := get (index $ 0) (trimSuffix "Probe" $name) | default dict }}
{{- $handlers := list "httpGet" "grpc" "exec" "tcpSocket" }}
{{- if has true (list (hasKey $own "httpGet") (hasKey $own "grpc") (hasKey $own "exec") (hasKey $own "tcpSocket")) }}
{{- range $handlers }}{{ $_ := unset $probe . }}{{ end }}
{{- end }}
{{ $name }}:
  {{- toYaml (mergeOverwrite $probe (deepCopy $own)) | nindent 2 }}
{{- end }}
{{- end }}

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

{{/* /readyz, which needs the dependencies, is checked only at the start. Later a pod is ready while it lives: these services
     can answer while a dependency is unreachable, and not all replicas may leave their Service at the same moment. On a busy
     node a pod may be slow for some seconds: it leaves its Service after 20 s, because it may be the only one. */}}
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
  timeoutSeconds: 5
  failureThreshold: 4
{{- end }}

{{/* A gRPC service listens only after it has reached its stores, and must not be restarted while it waits. The kubelet cannot
     use TLS for a gRPC probe: with mTLS the probe uses the plain metrics port. */}}
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
  timeoutSeconds: 5
  failureThreshold: 4
{{- end }}
{{- end }}

{{/* Serve until the pod has left the Services' addresses. SIGTERM comes after that. Kubernetes 1.31 refuses 0 seconds. */}}
{{- define "loupe.preStop" -}}
{{- if gt (int .) 0 -}}
lifecycle:
  preStop:
    sleep: {seconds: {{ int . }}}
{{- end }}
{{- end }}
