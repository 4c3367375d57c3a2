{{/* Labels of every object. */}}
{{- define "flotilla.labels" -}}
app.kubernetes.io/name: flotilla
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* What selects the pods of a part: (list $ "controllers"). */}}
{{- define "flotilla.selector" -}}
app.kubernetes.io/name: flotilla
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "flotilla.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The part of a pod that is the same for all parts: (list $ "controllers" .Values.controllers). */}}
{{- define "flotilla.pod" -}}
{{- $root := index . 0 }}{{ $part := index . 1 }}{{ $values := index . 2 -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "flotilla.selector" (list $root $part) | nindent 8 }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with $values.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- end }}

{{/* Not empty where the controllers keep the webhook's certificate valid. */}}
{{- define "flotilla.renewsCertificate" -}}
{{- $certificate := .Values.webhook.certificate }}
{{- if and .Values.webhook.enabled (or (eq $certificate.source "generated") (and $certificate.renew (eq $certificate.source "secret"))) }}yes{{ end }}
{{- end }}

{{- define "flotilla.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
