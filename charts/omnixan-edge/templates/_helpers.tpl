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

{{/* Who asks, as CEL variables of an admission policy. */}}
{{- define "omnixan-edge.askers" -}}
- name: isOperator
  expression: request.userInfo.username == 'system:serviceaccount:{{ .Release.Namespace }}:omnixan-operator'
- name: isAdmin
  expression: >-
    request.userInfo.groups.exists(group, group in [{{ range $i, $group := .Values.security.adminGroups }}{{ if $i }}, {{ end }}'{{ $group }}'{{ end }}])
{{- end }}

{{/* The node that the asker's token is bound to, as a CEL variable: empty for an unbound token and for people. */}}
{{- define "omnixan-edge.boundNode" -}}
- name: boundNode
  expression: >-
    has(request.userInfo.extra) && 'authentication.kubernetes.io/node-name' in request.userInfo.extra
    && size(request.userInfo.extra['authentication.kubernetes.io/node-name']) == 1
    ? request.userInfo.extra['authentication.kubernetes.io/node-name'][0] : ''
- name: isAgentHere
  expression: >-
    request.userInfo.username.startsWith('system:serviceaccount:' + request.namespace + ':')
    && request.userInfo.username.endsWith('-agent') && variables.boundNode != ''
{{- end }}

{{/* Whether Kubernetes itself cleans up, as a CEL variable. */}}
{{- define "omnixan-edge.machinery" -}}
- name: isCleaner
  expression: >-
    request.operation == 'DELETE' && request.userInfo.username in [
    'system:serviceaccount:kube-system:generic-garbage-collector',
    'system:serviceaccount:kube-system:namespace-controller',
    'system:kube-controller-manager']
{{- end }}

{{/* The binding of a policy: refuse, everywhere. Takes (list name root-context). */}}
{{- define "omnixan-edge.policyBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ index . 0 }}
  labels:
    {{- include "omnixan-edge.labels" (index . 1) | nindent 4 }}
spec:
  policyName: {{ index . 0 }}
  validationActions: [Deny]
{{- end }}

{{/* Names of the policies without which the operator starts no agent, as a JSON list. */}}
{{- define "omnixan-edge.policies" -}}
{{- list "edgeclusters" "edgenodes" "quantumjobs" "quantumruns" "heartbeats" "agent-events" | toJson }}
{{- end }}
