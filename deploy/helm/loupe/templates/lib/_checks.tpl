{{/* Refuse combinations of values that cannot work, each with a sentence. */}}

{{- define "loupe.checks" -}}
{{- if and .Values.ingress.enabled .Values.httpRoute.enabled -}}
{{- fail "ingress.enabled and httpRoute.enabled would both publish the API: choose one" -}}
{{- end -}}
{{- if and .Values.objectStore.bundled.host (eq .Values.objectStore.mode "external") -}}
{{- fail "objectStore.bundled.host publishes the store in the cluster, and objectStore.mode is external: set objectStore.publicEndpoint instead" -}}
{{- end -}}
{{- if and .Values.objectStore.bundled.host (not (or .Values.ingress.enabled .Values.httpRoute.enabled)) (not .Values.objectStore.publicEndpoint) -}}
{{- fail "objectStore.bundled.host needs ingress.enabled or httpRoute.enabled to publish it" -}}
{{- end -}}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (eq .Values.objectStore.mode "bundled") (not .Values.objectStore.bundled.host) (not .Values.objectStore.publicEndpoint) -}}
{{- fail "The API is published, but the object store is not: no client could open a download link. Set objectStore.bundled.host to a second host name, or objectStore.publicEndpoint to where clients reach the store" -}}
{{- end -}}
{{- if and (ne .Values.inference.profile "gpu") (or .Values.inference.engines.persistent .Values.inference.engines.existingClaim) -}}
{{- fail "inference.engines keeps TensorRT engines, and only inference.profile=gpu has such engines" -}}
{{- end -}}
{{- with .Values.inference.ownModels -}}
{{- if gt (len (compact (list .image.repository .existingClaim .s3.bucket))) 1 -}}
{{- fail "inference.ownModels names several sources: set one of image.repository, existingClaim and s3.bucket" -}}
{{- end -}}
{{- if and (eq $.Values.inference.profile "gpu") (or .image.repository .existingClaim .s3.bucket) -}}
{{- fail "inference.ownModels has no engines for a GPU yet: its networks run with inference.profile=cpu" -}}
{{- end -}}
{{- end -}}
{{- range $name := include "loupe.services" $ | fromJsonArray -}}
{{- $values := index $.Values $name -}}
{{- if and $values.autoscaling.enabled (gt (int $values.autoscaling.minReplicas) (int $values.autoscaling.maxReplicas)) -}}
{{- fail (printf "%s.autoscaling: minReplicas is above maxReplicas" $name) -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (lt (int $values.autoscaling.minReplicas) 1) -}}
{{- fail (printf "%s.autoscaling: minReplicas=0 is impossible, because a service without pods has no CPU load to scale by; inference.keda can do it" $name) -}}
{{- end -}}
{{- if and (eq (toString $values.rollout.maxSurge) "0") (eq (toString $values.rollout.maxUnavailable) "0") -}}
{{- fail (printf "%s.rollout: maxSurge and maxUnavailable are both 0: no pod could ever be replaced" $name) -}}
{{- end -}}
{{- if and (hasKey $values "preStopSeconds") (ge (int $values.preStopSeconds) (int $values.terminationGracePeriodSeconds)) -}}
{{- fail (printf "%s.preStopSeconds leaves nothing of %s.terminationGracePeriodSeconds: the pod would be killed before it could finish its requests" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.inference.keda.enabled (gt (int .Values.inference.keda.minReplicas) (int .Values.inference.keda.maxReplicas)) -}}
{{- fail "inference.keda: minReplicas is above maxReplicas" -}}
{{- end -}}
{{- include "loupe.engines.check" . -}}
{{- $_ := include "loupe.isSix" . -}}
{{- include "loupe.backup.check" . -}}
{{- $_ := include "loupe.publicUrl" . -}}
{{- $_ := include "loupe.mail.env" . -}}
{{- /* these fail, in this order, if an external store lacks an address or a Secret */ -}}
{{- range $name := include "loupe.databases" $ | fromJsonArray }}{{ $_ := include "loupe.postgresql.env" (list $ $name) }}{{ end -}}
{{- $_ := include "loupe.nats.env" (list . "gateway") -}}
{{- include "loupe.logins.check" . -}}
{{- $_ := include "loupe.objects.endpoint" . -}}
{{- range $name := list "images" "inference" }}{{ $_ := include "loupe.objects.env" (list $ $name) }}{{ end -}}
{{- range $name := include "loupe.services" $ | fromJsonArray }}{{ $_ := include "loupe.autoscaler" (list $ $name) }}{{ end -}}
{{- end }}

{{/* Refuse two certificates for the same thing: `(list where values)`. */}}
{{- define "loupe.certificate.check" -}}
{{- $given := list -}}
{{- range $key := list "atLoadBalancer" "issuer" "existingSecret" }}{{ if index (index $ 1) $key }}{{ $given = append $given (printf "%s.%s" (index $ 0) $key) }}{{ end }}{{ end -}}
{{- if gt (len $given) 1 -}}
{{- fail (printf "%s each say where the certificate comes from: choose one" (join " and " $given)) -}}
{{- end -}}
{{- end }}

{{/* Refuse a volume for engines that only one pod can use, if there may be several pods. */}}
{{- define "loupe.engines.check" -}}
{{- $inference := .Values.inference -}}
{{- $modes := list -}}
{{- if $inference.engines.existingClaim -}}
{{- $modes = dig "spec" "accessModes" list (lookup "v1" "PersistentVolumeClaim" .Release.Namespace $inference.engines.existingClaim | default dict) -}}
{{- else if $inference.engines.persistent -}}
{{- $modes = list $inference.engines.accessMode -}}
{{- end -}}
{{- $most := int $inference.replicas -}}
{{- if $inference.autoscaling.enabled }}{{ $most = int $inference.autoscaling.maxReplicas }}{{ end -}}
{{- if $inference.keda.enabled }}{{ $most = int $inference.keda.maxReplicas }}{{ end -}}
{{- $isSingle := and $modes (not (has "ReadWriteMany" $modes)) -}}
{{- if and $isSingle (or (gt $most 1) (ne (toString $inference.rollout.maxSurge) "0")) -}}
{{- fail "inference.engines is a volume that only one node can use: allow one worker (replicas or maxReplicas 1) that is stopped before the next one starts (inference.rollout with maxSurge 0 and maxUnavailable 1), or use ReadWriteMany, or inference.engines.persistent=false, with which each worker has engines of its own" -}}
{{- end -}}
{{- end }}
