//! What a server of which version serves.

/// A kind in one version of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub short: &'static str,
    pub namespaced: bool,
    pub scale: bool,
    pub status: bool,
    /// Brought by a CustomResourceDefinition: no strategic patch, and items of a list name their kind.
    pub custom: bool,
}

impl Kind {
    /// `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `deployments.apps`: as refusals name it, and the same for each version.
    pub fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `Deployment.apps`.
    pub fn full_kind(&self) -> String {
        if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) }
    }

    fn scaled(self) -> Kind {
        Kind { scale: true, ..self }
    }
}

fn kind(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static str,
) -> Kind {
    Kind { group, version, kind, plural, short, namespaced: true, scale: false, status: true, custom: false }
}

fn plain(plain: Kind) -> Kind {
    Kind { status: false, ..plain }
}

fn custom(custom: Kind) -> Kind {
    Kind { custom: true, ..custom }
}

/// Everything that a server of 1.`minor` serves, with KEDA's and Argo's kinds. Removals are those of Kubernetes'
/// "Deprecated API Migration Guide".
pub fn all(minor: u32) -> Vec<Kind> {
    let cron = |version| kind("batch", version, "CronJob", "cronjobs", "cj");
    let scaler = |version| kind("autoscaling", version, "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa");
    let mut all = vec![
        Kind { namespaced: false, ..kind("", "v1", "Namespace", "namespaces", "ns") },
        kind("", "v1", "Pod", "pods", "po"),
        plain(kind("", "v1", "ConfigMap", "configmaps", "cm")),
        plain(kind("", "v1", "Secret", "secrets", "")),
        kind("", "v1", "Service", "services", "svc"),
        kind("apps", "v1", "Deployment", "deployments", "deploy").scaled(),
        kind("apps", "v1", "StatefulSet", "statefulsets", "sts").scaled(),
        kind("apps", "v1", "ReplicaSet", "replicasets", "rs").scaled(),
        kind("apps", "v1", "DaemonSet", "daemonsets", "ds"),
        kind("batch", "v1", "Job", "jobs", ""),
        scaler("v1"),
        custom(kind("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects", "so")),
        custom(kind("argoproj.io", "v1alpha1", "Rollout", "rollouts", "ro").scaled()),
        custom(plain(kind("argoproj.io", "v1alpha1", "Application", "applications", "app"))),
    ];
    all.extend((minor >= 21).then(|| cron("v1")));
    all.extend((minor <= 24).then(|| cron("v1beta1")));
    all.extend((minor >= 23).then(|| scaler("v2")));
    all.extend((minor <= 25).then(|| scaler("v2beta2")));
    all.extend((minor <= 24).then(|| scaler("v2beta1")));
    all
}
