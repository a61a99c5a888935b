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

{{/* User name of the operator. */}}
{{- define "omnixan-edge.operatorUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:omnixan-operator
{{- end }}

{{/* Who asks, as CEL variables of an admission policy. Variables are computed when they are needed, once. */}}
{{- define "omnixan-edge.askers" -}}
- name: isOperator
  expression: request.userInfo.username == '{{ include "omnixan-edge.operatorUser" . }}'
- name: isAdmin
  expression: >-
    has(request.userInfo.groups) && request.userInfo.groups.exists(group, group in [{{ range $i, $group := .Values.security.adminGroups }}{{ if $i }}, {{ end }}'{{ $group }}'{{ end }}])
- name: isStatus
  expression: has(request.subResource) && request.subResource == 'status'
# The garbage collector takes away what is owned by a deleted object, or its owner references if that was to be left.
- name: isCleaner
  expression: >-
    request.operation != 'CREATE' && request.userInfo.username in [
    'system:serviceaccount:kube-system:generic-garbage-collector',
    'system:serviceaccount:kube-system:namespace-controller',
    'system:kube-controller-manager']
{{- end }}

{{/* The node that the asker's token is bound to, as a CEL variable: empty for an unbound token and for people. */}}
{{- define "omnixan-edge.boundNode" -}}
- name: boundNode
  expression: >-
    has(request.userInfo.extra) && 'authentication.kubernetes.io/node-name' in request.userInfo.extra
    && size(request.userInfo.extra['authentication.kubernetes.io/node-name']) == 1
    ? request.userInfo.extra['authentication.kubernetes.io/node-name'][0] : ''
{{- end }}

{{/* For an EdgeNode or a QuantumRun: whether the agent of its own EdgeCluster on its own node asks. */}}
{{- define "omnixan-edge.ownAgent" -}}
{{ include "omnixan-edge.boundNode" . }}
- name: isOwnAgent
  expression: >-
    request.operation == 'UPDATE' && variables.boundNode != '' && variables.boundNode == oldObject.spec.nodeName
    && has(oldObject.metadata.ownerReferences) && oldObject.metadata.ownerReferences.exists(owner,
    owner.kind == 'EdgeCluster' && owner.apiVersion.startsWith('edge.omnixan.io/') && request.userInfo.username ==
    'system:serviceaccount:' + oldObject.metadata.namespace + ':' + owner.name + '-agent')
{{- end }}

{{/* For what agents share with others: whether an agent asks, by its account's name and its right to report runs. */}}
{{- define "omnixan-edge.anyAgent" -}}
{{ include "omnixan-edge.boundNode" . }}
- name: isAgent
  expression: >-
    request.userInfo.username.startsWith('system:serviceaccount:' + request.namespace + ':')
    && request.userInfo.username.endsWith('-agent')
    && authorizer.group('edge.omnixan.io').resource('quantumruns').subresource('status')
    .namespace(request.namespace).check('patch').allowed()
{{- end }}

{{/* Limits a policy to the namespaces where EdgeClusters may be. */}}
{{- define "omnixan-edge.whereClustersAre" -}}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: In
      values: {{ include "omnixan-edge.clusterNamespaces" . }}
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

{{/* The API version of MutatingAdmissionPolicies that the cluster serves; empty if none. (A rendering without a cluster
knows no kinds, but a version of Kubernetes: v1 came with 1.36.) */}}
{{- define "omnixan-edge.mutatingVersion" -}}
{{- if or (.Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy") (semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version) -}}
admissionregistration.k8s.io/v1
{{- else if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy" -}}
admissionregistration.k8s.io/v1beta1
{{- end }}
{{- end }}

{{/* The policies, and thus bindings, without which the operator starts no agent: comma-separated names. */}}
{{- define "omnixan-edge.policies" -}}
omnixan-edge-edgeclusters,omnixan-edge-edgenodes,omnixan-edge-quantumjobs,omnixan-edge-quantumruns,omnixan-edge-heartbeats,omnixan-edge-agent-events
{{- end }}

{{/* Ingress rules of a pod's metrics port; takes (list port-name root-context). */}}
{{- define "omnixan-edge.metricsIn" -}}
- ports:
    - port: {{ index . 0 }}
      protocol: TCP
  {{- with (index . 1).Values.networkPolicies.metricsFrom }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Egress rules to the API server: a policy cannot name it, so it is known by ports and, where they are given, addresses. */}}
{{- define "omnixan-edge.apiServerOut" -}}
- ports:
    {{- range .Values.networkPolicies.apiServer.ports }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- with .Values.networkPolicies.apiServer.cidrs }}
  to:
    {{- range . }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  {{- end }}
{{- end }}
