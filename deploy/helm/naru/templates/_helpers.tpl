{{- define "naru.labels" -}}
app.kubernetes.io/name: naru
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "naru.selector" -}}
app.kubernetes.io/name: naru
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "naru.fullname" -}}
{{- if contains "naru" .Release.Name }}{{ .Release.Name | trunc 53 | trimSuffix "-" }}{{ else }}{{ printf "%s-naru" .Release.Name | trunc 53 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "naru.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* What this chart decides; the rest is the team's. */ -}}
{{- define "naru.config" -}}
data_dir = "/var/lib/naru"

[store]
{{- if .Values.postgres.secret }}
url_from = { file = "/run/secrets/{{ .Values.postgres.secret }}/{{ .Values.postgres.key }}" }
{{- else }}
url = "sqlite:naru.db"
{{- end }}

[web]
listen = "0.0.0.0:7070"
stop_delay_s = {{ .Values.drain.stopDelaySeconds }}
{{- with .Values.url }}
url = {{ . | quote }}
{{- end }}

{{ .Values.config }}
{{- end }}

{{- /* The pod of both ways to run. */ -}}
{{- define "naru.pod" -}}
metadata:
  labels:
    {{- include "naru.labels" . | nindent 4 }}
  annotations:
    checksum/config: {{ include "naru.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "naru.fullname" . }}
  automountServiceAccountToken: {{ gt (len .Values.rbac.rules) 0 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile:
      type: RuntimeDefault
  # The drain, what is still answered, the longest timeout_ms of a lane (30 s), 30 s to store outcomes, and some more.
  terminationGracePeriodSeconds: {{ add (mul .Values.drain.minutes 60) .Values.drain.stopDelaySeconds 90 }}
  {{- if not .Values.postgres.secret }}
  initContainers:
    # The volume outlives the pod, and so does the drain by which the last one ended.
    - name: end-drain
      image: {{ include "naru.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: ["--config", "/etc/naru/naru.toml", "drain", "--undo", "here"]
      {{- include "naru.container" . | nindent 6 }}
  {{- end }}
  containers:
    - name: naru
      image: {{ include "naru.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: ["--config", "/etc/naru/naru.toml", "serve"]
      ports:
        - name: http
          containerPort: 7070
      readinessProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 5
      livenessProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 10
        failureThreshold: 6
      lifecycle:
        preStop:
          exec:
            command:
              - naru
              - --config
              - /etc/naru/naru.toml
              - drain
              - --wait
              - --timeout
              - {{ .Values.drain.minutes }}m
              - here
      {{- include "naru.container" . | nindent 6 }}
  volumes:
    - name: config
      configMap:
        name: {{ include "naru.fullname" . }}
    - name: tmp
      emptyDir: {}
    {{- if .Values.postgres.secret }}
    - name: data
      emptyDir: {}
    {{- end }}
    {{- range (include "naru.secrets" . | fromJsonArray) }}
    - name: secret-{{ . }}
      secret:
        secretName: {{ . }}
        defaultMode: 288
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "naru.container" -}}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: ["ALL"]
volumeMounts:
  - { name: config, mountPath: /etc/naru, readOnly: true }
  - { name: data, mountPath: /var/lib/naru }
  - { name: tmp, mountPath: /tmp }
  {{- range (include "naru.secrets" . | fromJsonArray) }}
  - { name: secret-{{ . }}, mountPath: /run/secrets/{{ . }}, readOnly: true }
  {{- end }}
{{- end }}

{{- define "naru.secrets" -}}
{{- $names := .Values.secrets }}
{{- if .Values.postgres.secret }}{{ $names = append $names .Values.postgres.secret }}{{ end }}
{{- $names | uniq | toJson }}
{{- end }}
