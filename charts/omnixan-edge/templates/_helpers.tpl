{{/* Labels of everything the chart makes, as a YAML map. */}}
{{- define "omnixan-edge.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "omnixan-edge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: omnixan-edge
{{- end }}

{{/* Labels by which the operator's pod is selected; they can never change. */}}
{{- define "omnixan-edge.selector" -}}
app.kubernetes.io/name: omnixan-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* An image reference out of {repository, tag, digest}; takes (list image root-context). */}}
{{- define "omnixan-edge.image" -}}
{{- $image := index . 0 }}
{{- $root := index . 1 }}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* Security of every container: the restricted Pod Security level, and a root file system that nobody writes. */}}
{{- define "omnixan-edge.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Namespaces where EdgeClusters may be, as a JSON list without repetition. */}}
{{- define "omnixan-edge.clusterNamespaces" -}}
{{- prepend .Values.extraClusterNamespaces .Values.clusterNamespace.name | uniq | toJson }}
{{- end }}
