//! From a kubeconfig, or from what a pod is given, to something that carries requests.
//!
//! `kube` reads both. Its own stack of layers is not used: it repeats writes, and logs every refusal as an error.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{AuthError, Body, ConfigExt};
use kube::config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig, KubeconfigError};
use naru_core::failure::Failure;
use tokio::task::JoinHandle;
use tower::{BoxError, ServiceBuilder};

use crate::config::Source;

const CONNECT_MAX: Duration = Duration::from_secs(10);
/// A kubeconfig of hundreds of clusters with their certificates; more is no kubeconfig.
const KUBECONFIG_BYTES_MAX: u64 = 4 << 20;

/// Refuses now what would fail at the first call. Nothing is asked and no program is run.
pub fn check(source: &Source) -> Result<(), Failure> {
    match source {
        Source::InCluster => Ok(()),
        Source::Kubeconfig { path, context } => {
            let kubeconfig = read(path)?;
            let name = context.as_ref().or(kubeconfig.current_context.as_ref());
            match name.filter(|name| kubeconfig.contexts.iter().any(|it| it.name == **name)) {
                Some(_) => Ok(()),
                None => Err(no_context(path, name.map_or("", String::as_str), &kubeconfig)),
            }
        }
    }
}

/// Reads credentials, runs the program that prints them if there is one, and makes a client of it.
pub async fn connect(source: &Source, making: &mut Option<JoinHandle<Made>>) -> Result<kube::Client, Failure> {
    let config = match source {
        Source::InCluster => kube::Config::incluster()
            .map_err(|error| Failure::usage("k8s-not-in-cluster").cause_text(error.to_string()))?,
        Source::Kubeconfig { path, context } => {
            let kubeconfig = read(path)?;
            let asks_proxy = asks_proxy(&kubeconfig, context.as_deref());
            let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
            let mut config = config.map_err(|error| wrong(path, &error))?;
            if !asks_proxy {
                // One that the environment names: what is not in the configuration is not used.
                config.proxy_url = None;
            }
            config
        }
    };
    if config.proxy_url.is_some() {
        return Err(Failure::usage("k8s-kubeconfig-wrong")
            .arg("path", place(source))
            .cause_text("`proxy-url` is not supported"));
    }
    // It may run a program and wait for it. One that hangs is waited for again, and not run once more.
    let made = making.get_or_insert_with(|| tokio::task::spawn_blocking(move || layers(config)));
    let ended = made.await;
    *making = None;
    ended.map_err(Failure::bug)?.map_err(|error| {
        credential(&error).unwrap_or_else(|| {
            Failure::usage("k8s-kubeconfig-wrong").arg("path", place(source)).cause_text(error.to_string())
        })
    })
}

/// What comes of making a client.
pub type Made = Result<kube::Client, kube::Error>;

fn layers(config: kube::Config) -> Made {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_MAX));
    let connector = config.rustls_https_connector_with_connector(http)?;
    let carrier = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(carrier);
    Ok(kube::Client::new(service, config.default_namespace.clone()))
}

fn read(path: &Path) -> Result<Kubeconfig, Failure> {
    let unreadable = |why: String| Failure::usage("k8s-kubeconfig-wrong").arg("path", path.display()).cause_text(why);
    let bytes = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?.len();
    if bytes > KUBECONFIG_BYTES_MAX {
        return Err(unreadable(format!("it has {bytes} bytes")));
    }
    let mut kubeconfig = Kubeconfig::read_from(path).map_err(|error| wrong(path, &error))?;
    for user in &mut kubeconfig.auth_infos {
        if let Some(exec) = user.auth_info.as_mut().and_then(|info| info.exec.as_mut()) {
            // A server has nobody who could answer what it asks.
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
    Ok(kubeconfig)
}

/// Whether the cluster that is meant has a proxy of its own.
fn asks_proxy(kubeconfig: &Kubeconfig, context: Option<&str>) -> bool {
    let name = context.or(kubeconfig.current_context.as_deref());
    let context = kubeconfig.contexts.iter().find(|it| Some(it.name.as_str()) == name);
    let cluster = context.and_then(|it| it.context.as_ref()).map(|it| it.cluster.as_str());
    let cluster = kubeconfig.clusters.iter().find(|it| Some(it.name.as_str()) == cluster);
    cluster.and_then(|it| it.cluster.as_ref()).is_some_and(|it| it.proxy_url.is_some())
}

fn no_context(path: &Path, name: &str, kubeconfig: &Kubeconfig) -> Failure {
    let found: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    let failure = Failure::usage("k8s-context-unknown").arg("path", path.display()).arg("context", name);
    failure.arg("found", found.join(", "))
}

/// A parser shows the lines around what it cannot read, and tokens stand in them: it is not quoted.
fn wrong(path: &Path, error: &KubeconfigError) -> Failure {
    let why = match error {
        KubeconfigError::Parse(_) => "it is no YAML of a kubeconfig".to_owned(),
        error => error.to_string(),
    };
    Failure::usage("k8s-kubeconfig-wrong").arg("path", path.display()).cause_text(why)
}

/// The failure of whatever should have given a credential, if that is what failed. What a program printed is not
/// quoted: it may be the token.
pub fn credential(error: &(dyn Error + 'static)) -> Option<Failure> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<AuthError>() {
            let why = match error {
                AuthError::AuthExecRun { cmd, out } => {
                    let program = cmd.split_whitespace().next().unwrap_or_default().trim_matches('"');
                    format!("`{program}` ended with {}", out.status)
                }
                AuthError::AuthExecParse(_) => "what it printed is no ExecCredential".to_owned(),
                AuthError::AuthExecStart(error) => format!("it could not be started: {error}"),
                error => error.to_string(),
            };
            return Some(Failure::unavailable("k8s-credential-failed").cause_text(why));
        }
        next = error.source();
    }
    None
}

fn place(source: &Source) -> String {
    match source {
        Source::InCluster => String::new(),
        Source::Kubeconfig { path, .. } => path.display().to_string(),
    }
}
