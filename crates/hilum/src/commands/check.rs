use crate::config::{Config, Protocol, count};
use crate::system::{SystemClock, destinations, models, open_blobs, open_catalog};
use anyhow::Result;
use hilum_dimse::Timeouts;
use hilum_registry::{DeploymentState, Manifest};
use hilum_types::Clock;
use hilum_worker::Protocol as DeliveryProtocol;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Longest wait for a C-ECHO.
const ECHO_TIMEOUT: Duration = Duration::from_secs(5);

/// `hilum check`: shows what would be used; exit status 1 when something would not work.
pub(crate) async fn check(path: &Path, offline: bool) -> Result<ExitCode> {
    let config = Config::read(path)?;
    let mut report = Report::default();
    report.good("configuration", path.display().to_string());
    check_storage(&config, &mut report).await;
    check_products(&config, offline, &mut report).await;
    check_listeners(&config, &mut report);
    let engines = models(&config).engine_report();
    report.good("inference", engines.in_use.to_string());
    for line in engines.notes.iter().chain(&engines.advice) {
        println!("{:>24} {line}", "");
    }
    let asked = if config.trust.require_signature { "must be signed" } else { "may be unsigned" };
    report.good("trust", format!("{} of makers; packages {asked}", count(config.trust.keys.len(), "key")));
    if config.destinations.is_empty() {
        report.good("destination", "none declared; only shadow deployments can run".to_owned());
    }
    for destination in destinations(&config) {
        match &destination.protocol {
            DeliveryProtocol::Dimse { host, port, called_ae, calling_ae } if !offline => {
                let what = format!("{}: {called_ae} at {host}:{port}", destination.name);
                let timeouts = Timeouts::default();
                let echo = hilum_dimse::echo((host.as_str(), *port), calling_ae, called_ae, &timeouts);
                match tokio::time::timeout(ECHO_TIMEOUT, echo).await {
                    Ok(Ok(_status)) => report.good("destination", format!("{what} answers C-ECHO")),
                    Ok(Err(error)) => report.bad("destination", format!("{what}: {:#}", anyhow::Error::from(error))),
                    Err(_) => report.bad("destination", format!("{what} does not answer within 5 s")),
                }
            }
            DeliveryProtocol::Dimse { host, port, called_ae, .. } => {
                report.good("destination", format!("{}: {called_ae} at {host}:{port}, not asked", destination.name));
            }
            DeliveryProtocol::Stow { url } => {
                report.good("destination", format!("{}: STOW-RS at {url}, not asked", destination.name));
            }
        }
    }
    println!(
        "{}",
        if report.problems == 0 {
            "Everything needed is there.".to_owned()
        } else {
            format!("{} to mend.", count(report.problems, "problem"))
        }
    );
    Ok(if report.problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check_storage(config: &Config, report: &mut Report) {
    match open_blobs(config) {
        Ok(blobs) => {
            let free = blobs.bytes_free().map_or("unknown".to_owned(), |bytes| format!("{} MiB", bytes >> 20));
            let reserve = config.storage.reserve_mib;
            report.good(
                "data folder",
                format!("{}, {free} free, {reserve} MiB kept in reserve", config.data_dir.display()),
            );
        }
        Err(error) => report.bad("data folder", format!("{:#}", error)),
    }
    let kind = if config.catalog_url().starts_with("postgres") { "PostgreSQL" } else { "SQLite" };
    let catalog = match open_catalog(config).await {
        Ok(catalog) => catalog,
        Err(error) => return report.bad("catalog", format!("{kind}: {error:#}")),
    };
    report.good("catalog", kind.to_owned());
    match catalog.deployment_list().await {
        Ok(deployments) => {
            for deployment in deployments {
                report.good("deployment", format!("{} is {}", deployment.spec.name, deployment.state));
                for missing in deployment.spec.destinations.iter().filter(|d| !config.destination_names().contains(d)) {
                    let name = &deployment.spec.name;
                    report.bad("deployment", format!("{name} delivers to {missing:?}, which is not declared any more"));
                }
            }
        }
        Err(error) => report.bad("catalog", format!("{:#}", anyhow::Error::from(error))),
    }
    for spec in &config.deployments {
        if catalog.package_get(&spec.package).await.is_err() {
            let package = &spec.package;
            report.bad("deployment", format!("{} needs package {package}: `hilum model import DIR`", spec.name));
        } else if matches!(catalog.deployment_get(&spec.name).await, Ok(None)) {
            report.good("deployment", format!("{} is declared, but not applied yet: `hilum apply`", spec.name));
        }
    }
    report.good("time", SystemClock.now().to_string());
}

/// Products that are DICOM nodes: whether they answer, and whether they may call back.
async fn check_products(config: &Config, offline: bool, report: &mut Report) {
    // A catalog out of reach was told already.
    let Ok(catalog) = open_catalog(config).await else { return };
    let deployments = catalog.deployment_list().await.unwrap_or_default();
    for deployment in deployments.iter().filter(|deployment| deployment.state != DeploymentState::Retired) {
        let Ok(package) = catalog.package_get(&deployment.package_digest.to_string()).await else { continue };
        let Ok(manifest) = serde_json::from_value::<Manifest>(package.manifest) else { continue };
        let Some(node) = manifest.dicom_node() else { continue };
        let what = format!("{}: {} at {}:{}", deployment.spec.name, node.ae_title, node.host, node.port);
        if !config.dimse.accept_any_peer && !config.dimse.peers.iter().any(|p| p.ae_title == node.result_ae_title) {
            let title = &node.result_ae_title;
            report.bad("product", format!("{what}: its results would be refused; add a [[dimse.peer]] {title}"));
        }
        if offline {
            report.good("product", format!("{what}, not asked"));
            continue;
        }
        let timeouts = Timeouts::default();
        let address = (node.host.as_str(), node.port);
        let echo = hilum_dimse::echo(address, &config.dimse.ae_title, &node.ae_title, &timeouts);
        match tokio::time::timeout(ECHO_TIMEOUT, echo).await {
            Ok(Ok(_status)) => report.good("product", format!("{what} answers C-ECHO")),
            Ok(Err(error)) => report.bad("product", format!("{what}: {:#}", anyhow::Error::from(error))),
            Err(_) => report.bad("product", format!("{what} does not answer within 5 s")),
        }
    }
}

fn check_listeners(config: &Config, report: &mut Report) {
    let dimse = &config.dimse;
    let who = match (dimse.accept_any_peer, dimse.peers.len()) {
        (true, _) => "ANY peer may connect (development switch)".to_owned(),
        (false, n) => format!("{} may connect", count(n, "peer")),
    };
    report.good("DICOM", format!("{} on {}, {who}", dimse.ae_title, dimse.listen));
    report.good("HTTP", format!("http://{}", config.http.listen));
    let stow = config.destinations.iter().filter(|d| d.protocol == Protocol::Stow);
    for destination in stow.filter(|d| d.url.as_deref().is_some_and(|url| url.starts_with("http://"))) {
        report.good("destination", format!("{}: not encrypted", destination.name));
    }
}

/// Lines on standard output, and how many of them are problems.
#[derive(Default)]
struct Report {
    problems: usize,
}

impl Report {
    fn good(&mut self, what: &str, text: String) {
        println!("ok       {what:<14} {text}");
    }

    fn bad(&mut self, what: &str, text: String) {
        self.problems += 1;
        println!("PROBLEM  {what:<14} {text}");
    }
}
