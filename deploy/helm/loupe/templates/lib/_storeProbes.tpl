{{/* The probes of the stores in the cluster. */}}

{{- define "loupe.probes.postgresql" -}}
startupProbe:
  exec:
    command: [pg_isready, --quiet, --host=127.0.0.1, --username=postgres]
  periodSeconds: 3
  timeoutSeconds: 5
  failureThreshold: 200
livenessProbe:
  exec:
    command: [pg_isready, --quiet, --host=127.0.0.1, --username=postgres]
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  exec:
    command: [pg_isready, --quiet, --host=127.0.0.1, --username=postgres]
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{- define "loupe.probes.nats" -}}
# A restarted server is ready once its streams have caught up. Only then the next one is stopped: otherwise streams
# in memory would be lost.
startupProbe:
  httpGet: {path: /healthz, port: monitor}
  periodSeconds: 3
  timeoutSeconds: 5
  failureThreshold: 300
livenessProbe:
  httpGet: {path: "/healthz?js-enabled-only=true", port: monitor}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: "/healthz?js-server-only=true", port: monitor}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{- define "loupe.probes.object-store" -}}
startupProbe:
  httpGet: {path: /healthz, port: s3}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 100
livenessProbe:
  httpGet: {path: /healthz, port: s3}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /healthz, port: s3}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}
