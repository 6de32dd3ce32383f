//! The imported packages behind the inference protocol: name and version are those of the manifest.

use crate::config::Config;
use anyhow::{Context, Result};
use async_trait::async_trait;
use hilum_infer::{InferError, LoadedPackage, Tensors};
use hilum_oip::{Datatype, HostError, Limits, ModelDescription, ModelEntry, ModelHost, TensorSpec};
use hilum_registry::manifest::{InputSpec, Layout};
use hilum_registry::package::onnx::{OnnxDim, OnnxTensor};
use hilum_store::Catalog;
use hilum_store::records::Package;
use hilum_worker::Models;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// `[oip]`: the inference protocol for local models; off unless an address is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OipConfig {
    /// Address and port of the REST service.
    pub(crate) listen: Option<SocketAddr>,
    /// Address and port of the gRPC service.
    pub(crate) grpc_listen: Option<SocketAddr>,
    /// Largest request, in MiB; 2047 at most.
    pub(crate) message_mib_max: usize,
    /// Inferences at once, of each of the two services.
    pub(crate) concurrent_max: usize,
    /// Development switch: listen on an address other than loopback although there is no authentication.
    pub(crate) allow_public_without_authentication: bool,
}

impl Default for OipConfig {
    fn default() -> Self {
        OipConfig {
            listen: None,
            grpc_listen: None,
            message_mib_max: 256,
            concurrent_max: 4,
            allow_public_without_authentication: false,
        }
    }
}

impl OipConfig {
    /// What cannot be used, with its remedy.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (key, address) in [("listen", self.listen), ("grpc_listen", self.grpc_listen)] {
            if let Some(address) = address.filter(|address| !address.ip().is_loopback())
                && !self.allow_public_without_authentication
            {
                problems.push(format!(
                    "[oip] {key} = {address}: there is no authentication, so only loopback is served; use 127.0.0.1 \
                     behind a proxy that authenticates, or set allow_public_without_authentication = true for development"
                ));
            }
        }
        if !(1..=2047).contains(&self.message_mib_max) {
            problems.push(format!("[oip] message_mib_max = {} is not in 1 to 2047", self.message_mib_max));
        }
        if !(1..=1024).contains(&self.concurrent_max) {
            problems.push(format!("[oip] concurrent_max = {} is not in 1 to 1024", self.concurrent_max));
        }
        problems
    }
}

/// HTTP connections at once.
const CONNECTIONS_MAX: usize = 256;

/// A client has this long to send a request.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(120);

/// Imported packages as models of the protocol. Inferences are neither gated nor recorded: what answers here are
/// tensors for a program, not results for a reader.
struct CatalogModels {
    catalog: Arc<dyn Catalog>,
    models: Models,
}

impl CatalogModels {
    /// The packages of that name, the newest first; never empty.
    async fn named(&self, name: &str) -> Result<Vec<Package>, HostError> {
        let mut packages = self.packages().await?;
        packages.retain(|package| package.name == name);
        if packages.is_empty() {
            return Err(HostError::NotFound(format!("there is no model {:?}; ask /v2/repository/index", shown(name))));
        }
        Ok(packages)
    }

    async fn packages(&self) -> Result<Vec<Package>, HostError> {
        self.catalog.package_list().await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the models could not be listed");
            HostError::Unavailable("the catalog does not answer; try again later".to_owned())
        })
    }

    async fn load(&self, package: &Package) -> Result<Arc<LoadedPackage>, HostError> {
        let (models, digest) = (self.models.clone(), package.digest);
        let loaded = tokio::task::spawn_blocking(move || models.load(digest)).await;
        loaded.unwrap_or_else(|_| Err(InferError::Defect("loading panicked".to_owned()))).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a model could not be loaded");
            HostError::Unavailable("the model cannot be loaded; `hilum model list` and the log say why".to_owned())
        })
    }
}

#[async_trait]
impl ModelHost for CatalogModels {
    async fn list(&self) -> Result<Vec<ModelEntry>, HostError> {
        Ok(self.packages().await?.into_iter().map(entry).collect())
    }

    async fn describe(&self, name: &str, version: Option<&str>) -> Result<ModelDescription, HostError> {
        let packages = self.named(name).await?;
        let versions: Vec<String> = packages.iter().map(|package| package.version.clone()).collect();
        let wanted = packages.into_iter().find(|package| version.is_none_or(|version| package.version == version));
        let package = wanted.ok_or_else(|| {
            let version = shown(version.unwrap_or_default());
            HostError::NotFound(format!("model {name:?} has no version {version:?}, only {}", versions.join(", ")))
        })?;
        let loaded = self.load(&package).await?;
        Ok(describe(&loaded, entry(package), versions))
    }

    async fn infer(&self, entry: &ModelEntry, inputs: Tensors) -> Result<Tensors, HostError> {
        let packages = self.named(&entry.name).await?;
        let package = packages.into_iter().find(|package| package.version == entry.version);
        let package = package.ok_or_else(|| HostError::NotFound("the version is gone".to_owned()))?;
        let loaded = self.load(&package).await?;
        let run = tokio::task::spawn_blocking(move || hilum_infer::run_tensors(&loaded, inputs)).await;
        run.unwrap_or_else(|_| Err(InferError::Defect("the run panicked".to_owned()))).map_err(|error| match error {
            InferError::Deadline { .. } => HostError::Deadline(error.to_string()),
            InferError::Engine { .. } => HostError::Refused(error.to_string()),
            other => HostError::Failed(other.to_string()),
        })
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn entry(package: Package) -> ModelEntry {
    ModelEntry { name: package.name, version: package.version }
}

/// Inputs with the axes of the graph, outputs that the manifest names.
fn describe(package: &LoadedPackage, entry: ModelEntry, versions: Vec<String>) -> ModelDescription {
    let (manifest, graph) = (package.manifest(), package.graph());
    let stated = |list: &[OnnxTensor], name: &str| list.iter().find(|tensor| tensor.name == name).cloned();
    let input = |spec: &InputSpec| TensorSpec {
        name: spec.tensor.clone(),
        datatype: Datatype::of(spec.dtype),
        shape: axes(stated(&graph.inputs, &spec.tensor).as_ref()).unwrap_or_else(|| open_axes(spec.layout)),
    };
    let output = |name: &str| {
        let tensor = stated(&graph.outputs, name);
        let code = tensor.as_ref().map_or(0, |tensor| tensor.element_type);
        let shape = axes(tensor.as_ref()).unwrap_or_default();
        TensorSpec { name: name.to_owned(), datatype: Datatype::from_onnx(code).unwrap_or(Datatype::Fp32), shape }
    };
    let outputs: BTreeSet<&str> = manifest.outputs.iter().map(|output| output.tensor()).collect();
    ModelDescription {
        entry,
        versions,
        platform: "onnx_onnxv1".to_owned(),
        inputs: manifest.inputs.iter().map(input).collect(),
        outputs: outputs.into_iter().map(output).collect(),
    }
}

fn axes(tensor: Option<&OnnxTensor>) -> Option<Vec<i64>> {
    let axis = |dim: &OnnxDim| match dim {
        OnnxDim::Fixed(length) => i64::try_from(*length).unwrap_or(i64::MAX),
        OnnxDim::Dynamic(_) => -1,
    };
    Some(tensor?.dims.as_ref()?.iter().map(axis).collect())
}

fn open_axes(layout: Layout) -> Vec<i64> {
    vec![-1; if layout == Layout::Ncdhw { 5 } else { 4 }]
}

/// The servers that `[oip]` asks for.
pub(crate) struct OipServers {
    /// Where REST is served, with the port the system chose.
    pub(crate) http_address: Option<SocketAddr>,
    /// Where gRPC is served.
    pub(crate) grpc_address: Option<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
}

/// Start what is configured; nothing when `[oip]` is not there.
pub(crate) async fn start(
    config: &Config,
    catalog: Arc<dyn Catalog>,
    models: Models,
    stop: watch::Receiver<bool>,
) -> Result<OipServers> {
    let mut servers = OipServers { http_address: None, grpc_address: None, tasks: Vec::new() };
    let host: Arc<dyn ModelHost> = Arc::new(CatalogModels { catalog, models });
    let limits = Limits {
        message_bytes_max: (config.oip.message_mib_max << 20).min(i32::MAX as usize),
        concurrent_max: config.oip.concurrent_max,
        receive_timeout: RECEIVE_TIMEOUT,
    };
    let until = |mut stop: watch::Receiver<bool>| async move {
        // An error means that the sender is gone, which is a stop as well.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    if let Some(address) = config.oip.listen {
        let listener = bind(address).await?;
        servers.http_address = Some(listener.local_addr()?);
        let router = hilum_oip::http_router(host.clone(), limits);
        servers.tasks.push(tokio::spawn(hilum_http::serve(listener, router, CONNECTIONS_MAX, until(stop.clone()))));
    }
    if let Some(address) = config.oip.grpc_listen {
        let listener = bind(address).await?;
        servers.grpc_address = Some(listener.local_addr()?);
        let serving = hilum_oip::grpc_serve(listener, host, limits, until(stop));
        servers.tasks.push(tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(error = &error as &dyn std::error::Error, "the gRPC server ended");
            }
        }));
    }
    Ok(servers)
}

impl OipServers {
    /// Wait for what is in flight after the stop was told.
    pub(crate) async fn finished(self, grace: Duration) {
        for task in self.tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout(grace, task).await.is_err() {
                tracing::warn!("an inference request was still open");
                abort.abort();
            }
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address} for the inference protocol; is the port in use?"))
}
