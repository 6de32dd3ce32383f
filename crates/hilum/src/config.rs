//! The one TOML file: read once at start, unknown keys refused by name, everything checked before anything runs.

use anyhow::{Context, Result, bail};
use hilum_dimse::PeerAddress;
use hilum_registry::DeploymentSpec;
use hilum_sign::MakerPublicKey;
use hilum_types::AeTitle;
use hilum_worker::Trust;
use hilum_worker::notify::{self, NotifyOptions};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The whole configuration (`docs/reference/configuration.md`).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Folder for the catalog (SQLite), the blobs and the imported packages. A relative path is relative to the file.
    pub(crate) data_dir: PathBuf,
    /// Catalog; the default is SQLite in `data_dir`.
    #[serde(default)]
    pub(crate) catalog: CatalogConfig,
    /// DICOM listener.
    #[serde(default)]
    pub(crate) dimse: DimseConfig,
    /// HTTP listener.
    #[serde(default)]
    pub(crate) http: HttpConfig,
    /// When a study is complete.
    #[serde(default)]
    pub(crate) study: StudyConfig,
    /// Storage limits.
    #[serde(default)]
    pub(crate) storage: StorageConfig,
    /// Job execution in this process.
    #[serde(default)]
    pub(crate) worker: WorkerConfig,
    /// Inference engines.
    #[serde(default)]
    pub(crate) inference: InferenceConfig,
    /// The inference protocol for local models.
    #[serde(default)]
    pub(crate) oip: crate::oip::OipConfig,
    /// Final reports over MLLP.
    #[serde(default)]
    pub(crate) hl7: crate::hl7::Hl7Config,
    /// Evidence packs.
    #[serde(default)]
    pub(crate) evidence: crate::commands::evidence::EvidenceConfig,
    /// Delivery policy.
    #[serde(default)]
    pub(crate) delivery: DeliveryConfig,
    /// Traces.
    #[serde(default)]
    pub(crate) telemetry: TelemetryConfig,
    /// Who is told of alarms.
    #[serde(default)]
    pub(crate) notify: NotifyConfig,
    /// Which makers of packages are trusted.
    #[serde(default)]
    pub(crate) trust: TrustConfig,
    /// Where results go.
    #[serde(default, rename = "destination")]
    pub(crate) destinations: Vec<DestinationConfig>,
    /// Deployments that `hilum apply` on this file puts in force; `hilum serve` does not apply them by itself.
    #[serde(default, rename = "deployment")]
    pub(crate) deployments: Vec<DeploymentSpec>,
}

/// `[catalog]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CatalogConfig {
    /// `postgres://...`; empty means SQLite in `data_dir`. `HILUM_CATALOG_URL` overrides it, so that a password
    /// need not stand in the file.
    pub(crate) url: Option<Secret>,
}

/// A text that cannot be printed.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text, for the one place that needs it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// `[dimse]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DimseConfig {
    /// Address and port to listen on.
    pub(crate) listen: SocketAddr,
    /// Our AE title; senders must call it.
    pub(crate) ae_title: AeTitle,
    /// Development switch: accept any calling AE title from any address. Our AE title must still be called.
    pub(crate) accept_any_peer: bool,
    /// Who may connect.
    #[serde(rename = "peer")]
    pub(crate) peers: Vec<PeerConfig>,
    /// Associations at once, all peers together.
    pub(crate) associations_max: usize,
    /// Associations at once from one address.
    pub(crate) associations_per_peer_max: usize,
    /// An association that is silent for this long is aborted.
    pub(crate) idle_seconds: u64,
}

impl Default for DimseConfig {
    fn default() -> Self {
        DimseConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 11112)),
            ae_title: "HILUM".parse().expect("five letters"),
            accept_any_peer: false,
            peers: Vec::new(),
            associations_max: 1000,
            associations_per_peer_max: 1000,
            idle_seconds: 300,
        }
    }
}

/// `[[dimse.peer]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeerConfig {
    /// Its AE title.
    pub(crate) ae_title: AeTitle,
    /// Its address, or a network such as `10.1.0.0/16`; left out: any address.
    #[serde(default)]
    pub(crate) address: Option<String>,
}

/// Fewest characters of a secret that programs share.
const SECRET_CHARS_MIN: usize = 16;

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HttpConfig {
    /// Address and port to listen on.
    pub(crate) listen: SocketAddr,
    /// Development switch: listen on an address other than loopback although reading, and stopping a deployment, needs no
    /// sign-in.
    pub(crate) allow_public_without_authentication: bool,
    /// Token that senders of reports over FHIR must know; left out: whoever reaches the address may send.
    pub(crate) report_token: Option<Secret>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        HttpConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 8042)),
            allow_public_without_authentication: false,
            report_token: None,
        }
    }
}

/// `[study]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StudyConfig {
    /// A study is complete when no instance came for this long.
    pub(crate) quiet_seconds: u32,
}

impl Default for StudyConfig {
    fn default() -> Self {
        StudyConfig { quiet_seconds: 60 }
    }
}

/// `[storage]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StorageConfig {
    /// Refuse new objects when less than this would stay free on the disk, in MiB.
    pub(crate) reserve_mib: u64,
    /// Largest object taken, in MiB.
    pub(crate) object_mib_max: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        StorageConfig { reserve_mib: 1024, object_mib_max: 4096 }
    }
}

/// `[worker]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WorkerConfig {
    /// Jobs this process runs at once; 0 leaves them to `hilum work` processes.
    pub(crate) slots: usize,
    /// How many of them may be runs whose results stay inside; at least 1, half of `slots` when left out.
    pub(crate) shadow_slots: Option<usize>,
    /// A job whose worker is silent for this long passes to another.
    pub(crate) lease_seconds: u32,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        let slots = std::thread::available_parallelism().map_or(1, |n| n.get().clamp(1, 4));
        WorkerConfig { slots, shadow_slots: None, lease_seconds: 60 }
    }
}

/// `[inference]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct InferenceConfig {
    /// ONNX Runtime's library, version 1.24 or later; looked for in the usual places when left out.
    pub(crate) onnx_runtime: Option<PathBuf>,
    /// Use the built-in engine even where ONNX Runtime is found.
    pub(crate) built_in_only: bool,
}

/// `[delivery]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeliveryConfig {
    /// Wait before the first retry.
    pub(crate) retry_seconds_first: u32,
    /// Longest wait between retries.
    pub(crate) retry_seconds_max: u32,
    /// After this many attempts the delivery waits in the dead-letter list for a person.
    pub(crate) attempts_max: u32,
    /// Longest time one attempt may take.
    pub(crate) timeout_seconds: u32,
    /// What a reader answered leaves as a report when nothing more was answered for this long.
    pub(crate) assessment_quiet_seconds: u32,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        DeliveryConfig {
            retry_seconds_first: 5,
            retry_seconds_max: 900,
            attempts_max: 20,
            timeout_seconds: 60,
            assessment_quiet_seconds: 60,
        }
    }
}

/// `[notify]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NotifyConfig {
    /// Address under which people reach the pages, such as `https://hilum.example.org`; messages link below it.
    pub(crate) link_base: Option<String>,
    /// Contacts for alarms of deployments that name none, and of no deployment.
    pub(crate) contacts: Vec<String>,
    /// Mail server.
    pub(crate) smtp: Option<SmtpConfig>,
    /// Everybody who may be told.
    pub(crate) contact: Vec<ContactConfig>,
}

/// `[notify.smtp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SmtpConfig {
    /// Host name or address.
    pub(crate) host: String,
    /// Port; 587 with STARTTLS, 465 with TLS from the first byte, 25 without.
    pub(crate) port: Option<u16>,
    /// `starttls` (default), `implicit` or `none`.
    #[serde(default)]
    pub(crate) tls: SmtpTlsConfig,
    /// Sender address.
    pub(crate) from: String,
    /// Name to sign in with.
    pub(crate) username: Option<String>,
    /// Password; `HILUM_SMTP_PASSWORD` overrides it, so that it need not stand in the file.
    pub(crate) password: Option<Secret>,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SmtpTlsConfig {
    /// STARTTLS, and no message without it.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None; for a server on the same machine.
    None,
}

/// `[[notify.contact]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactConfig {
    /// Name that plans use.
    pub(crate) name: String,
    /// E-mail address.
    pub(crate) email: Option<String>,
    /// Address of a program that takes messages.
    pub(crate) webhook: Option<String>,
    /// Key of the signature of messages to it.
    pub(crate) webhook_secret: Option<Secret>,
}

impl NotifyConfig {
    /// What the worker needs.
    pub(crate) fn options(&self, destinations: &[DestinationConfig]) -> NotifyOptions {
        let secret = |secret: &Secret| notify::Secret::new(secret.reveal());
        let smtp = |smtp: &SmtpConfig| notify::Smtp {
            host: smtp.host.clone(),
            port: smtp.port.unwrap_or(match smtp.tls {
                SmtpTlsConfig::StartTls => 587,
                SmtpTlsConfig::Implicit => 465,
                SmtpTlsConfig::None => 25,
            }),
            tls: match smtp.tls {
                SmtpTlsConfig::StartTls => notify::SmtpTls::StartTls,
                SmtpTlsConfig::Implicit => notify::SmtpTls::Implicit,
                SmtpTlsConfig::None => notify::SmtpTls::None,
            },
            from: smtp.from.clone(),
            username: smtp.username.clone(),
            password: smtp.password.as_ref().map(secret),
        };
        let contact = |contact: &ContactConfig| notify::Contact {
            name: contact.name.clone(),
            email: contact.email.clone(),
            webhook: contact
                .webhook
                .as_ref()
                .map(|url| notify::Webhook { url: url.clone(), secret: contact.webhook_secret.as_ref().map(secret) }),
        };
        NotifyOptions {
            link_base: self.link_base.clone(),
            smtp: self.smtp.as_ref().map(smtp),
            contacts: self.contact.iter().map(contact).collect(),
            default_contacts: self.contacts.clone(),
            destinations: destinations.iter().map(|one| (one.name.clone(), one.contacts.clone())).collect(),
        }
    }

    /// Contacts that a plan names and nobody has configured.
    pub(crate) fn unknown<'a>(&self, names: &'a [String]) -> Vec<&'a str> {
        let known = |name: &&'a String| self.contact.iter().any(|contact| contact.name == **name);
        names.iter().filter(|name| !known(name)).map(String::as_str).collect()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for name in self.unknown(&self.contacts) {
            problems
                .push(format!("[notify] contacts: {name:?} is not configured; add a [[notify.contact]] of that name"));
        }
        let mut names = std::collections::BTreeSet::new();
        for contact in &self.contact {
            let name = &contact.name;
            if !names.insert(name) {
                problems.push(format!("[[notify.contact]] {name:?} is there twice"));
            }
            if contact.email.is_none() && contact.webhook.is_none() {
                problems.push(format!("[[notify.contact]] {name:?} needs email or webhook"));
            }
            if contact.email.is_some() && self.smtp.is_none() {
                problems
                    .push(format!("[[notify.contact]] {name:?} has an e-mail address, but there is no [notify.smtp]"));
            }
            if contact.email.as_ref().is_some_and(|email| !email.contains('@')) {
                problems.push(format!("[[notify.contact]] {name:?}: email is no address such as team@example.org"));
            }
            let is_web = |url: &String| url.starts_with("http://") || url.starts_with("https://");
            if contact.webhook.as_ref().is_some_and(|url| !is_web(url)) {
                problems.push(format!("[[notify.contact]] {name:?}: webhook must begin with http:// or https://"));
            }
            if let Some(problem) = contact.webhook_secret.as_ref().and_then(weak) {
                problems.push(format!("[[notify.contact]] {name:?}: webhook_secret {problem}, or leave it out"));
            }
            if contact.webhook.is_none() && contact.webhook_secret.is_some() {
                problems.push(format!("[[notify.contact]] {name:?} has webhook_secret without webhook"));
            }
        }
        if let Some(smtp) = &self.smtp {
            if smtp.username.is_some() != smtp.password.is_some() {
                problems.push("[notify.smtp] needs both username and password, or neither".to_owned());
            }
            if !smtp.from.contains('@') {
                problems.push("[notify.smtp] from is no address such as hilum@example.org".to_owned());
            }
        }
        problems
    }
}

/// `[telemetry]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TelemetryConfig {
    /// Address of an OpenTelemetry collector (OTLP over HTTP), such as `http://collector:4318`; without it nothing is
    /// connected and no trace is kept.
    pub(crate) otlp_endpoint: Option<Secret>,
}

impl TelemetryConfig {
    fn problem(&self) -> Option<String> {
        let url = self.otlp_endpoint.as_ref()?.reveal();
        let good = url.starts_with("http://") || url.starts_with("https://");
        // The address may hold a password, so it is not repeated.
        (!good).then(|| {
            "[telemetry] otlp_endpoint must begin with http:// or https://, such as \"http://collector:4318\""
                .to_owned()
        })
    }
}

/// `[trust]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TrustConfig {
    /// Refuse packages that no trusted maker signed, at import and at every start.
    pub(crate) require_signature: bool,
    /// Files of public keys (PEM) of trusted makers, relative to the configuration.
    pub(crate) keys: Vec<PathBuf>,
    /// The keys themselves, once the files are read.
    #[serde(skip)]
    read: Vec<MakerPublicKey>,
}

impl TrustConfig {
    /// What was configured, with the keys read.
    pub(crate) fn trust(&self) -> Trust {
        Trust { require_signature: self.require_signature, keys: self.read.clone() }
    }

    fn read_keys(&mut self, folder: &Path) -> Result<()> {
        let mut problems = Vec::new();
        for path in &self.keys {
            match crate::commands::model::read_public_key(&folder.join(path)) {
                Ok(key) => self.read.push(key),
                Err(error) => problems.push(format!("[trust] keys: {error:#}")),
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        bail!("{} found:\n  {}", count(problems.len(), "problem"), problems.join("\n  "))
    }
}

/// `[[destination]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DestinationConfig {
    /// Name that deployments use.
    pub(crate) name: String,
    /// `dimse` (C-STORE, the default) or `stow` (STOW-RS).
    #[serde(default)]
    pub(crate) protocol: Protocol,
    /// Host name or address, for `dimse`.
    #[serde(default)]
    pub(crate) host: String,
    /// Port, for `dimse`.
    #[serde(default)]
    pub(crate) port: u16,
    /// AE title to call, for `dimse`.
    #[serde(default)]
    pub(crate) ae_title: Option<AeTitle>,
    /// URL of the studies resource, such as `http://archive/dicom-web/studies`, for `stow`.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// Names of the contacts that are told when a deployment stops, changes or goes on whose results it receives.
    #[serde(default)]
    pub(crate) contacts: Vec<String>,
    /// Whether it wants what readers answer to the results that it holds, as structured reports.
    #[serde(default)]
    pub(crate) assessments: bool,
}

/// How results travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Protocol {
    /// C-STORE.
    #[default]
    Dimse,
    /// STOW-RS.
    Stow,
}

/// A file that holds only `[[deployment]]` tables, for `hilum apply`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeploymentFile {
    #[serde(rename = "deployment")]
    deployments: Vec<DeploymentSpec>,
}

impl Config {
    /// Read and check a file. Relative paths in it are relative to it.
    pub(crate) fn read(path: &Path) -> Result<Config> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        let mut config = Config::parse(&text).with_context(|| format!("configuration {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        if config.data_dir.is_relative() {
            config.data_dir = folder.join(&config.data_dir);
        }
        // An absolute path stays what it is.
        config.evidence.signing_key = config.evidence.signing_key.map(|key| folder.join(key));
        config.trust.read_keys(folder).with_context(|| format!("configuration {}", path.display()))?;
        Ok(config)
    }

    /// Parse and check a text; every problem is told, not only the first.
    pub(crate) fn parse(text: &str) -> Result<Config> {
        let mut config: Config = toml::from_str(text)?;
        if let Ok(url) = std::env::var("HILUM_CATALOG_URL") {
            config.catalog.url = Some(Secret(url));
        }
        if let (Some(smtp), Ok(password)) = (&mut config.notify.smtp, std::env::var("HILUM_SMTP_PASSWORD")) {
            smtp.password = Some(Secret(password));
        }
        let problems = config.problems();
        if !problems.is_empty() {
            bail!("{} found:\n  {}", count(problems.len(), "problem"), problems.join("\n  "));
        }
        Ok(config)
    }

    /// Where the catalog is: a `sqlite:` or `postgres:` URL.
    pub(crate) fn catalog_url(&self) -> String {
        match &self.catalog.url {
            Some(url) => url.reveal().to_owned(),
            None => format!("sqlite:{}", self.data_dir.join("catalog.sqlite").display()),
        }
    }

    /// Names of the destinations.
    pub(crate) fn destination_names(&self) -> Vec<String> {
        self.destinations.iter().map(|d| d.name.clone()).collect()
    }

    /// Contacts that a deployment names and the configuration does not have.
    pub(crate) fn contact_problems(&self, deployment: &DeploymentSpec) -> Vec<String> {
        let name = &deployment.name;
        let planned = deployment.monitoring.as_ref().map(|plan| plan.alarms.contacts.as_slice()).unwrap_or_default();
        let unknown = self.notify.unknown(planned).into_iter();
        unknown
            .map(|contact| {
                format!(
                    "deployment {name:?}: contact {contact:?} is not configured; add a [[notify.contact]] of that name"
                )
            })
            .collect()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.http.listen.ip().is_loopback() && !self.http.allow_public_without_authentication {
            problems.push(format!(
                "[http] listen = {}: pages and lists with patient data need no sign-in, so only loopback is served; use \
                 127.0.0.1 behind a proxy that authenticates, or set allow_public_without_authentication = true for \
                 development",
                self.http.listen
            ));
        }
        if let Some(problem) = self.http.report_token.as_ref().and_then(weak) {
            problems.push(format!("[http] report_token {problem}, or leave it out"));
        }
        if !self.dimse.accept_any_peer && self.dimse.peers.is_empty() {
            problems.push(
                "[dimse]: nobody may connect; add a [[dimse.peer]] with ae_title (and address), or set \
                 accept_any_peer = true for development"
                    .to_owned(),
            );
        }
        if 86_400 < self.study.quiet_seconds {
            problems.push(format!("[study] quiet_seconds = {} is not in 0 to 86400", self.study.quiet_seconds));
        }
        if 86_400 < self.delivery.assessment_quiet_seconds {
            let seconds = self.delivery.assessment_quiet_seconds;
            problems.push(format!("[delivery] assessment_quiet_seconds = {seconds} is not in 0 to 86400"));
        }
        if self.worker.lease_seconds < 2 {
            problems.push("[worker] lease_seconds must be at least 2".to_owned());
        }
        problems.extend(self.oip.problems());
        problems.extend(self.notify.problems());
        problems.extend(self.hl7.problems());
        problems.extend(self.telemetry.problem());
        if self.trust.require_signature && self.trust.keys.is_empty() {
            problems.push(
                "[trust] require_signature = true without keys refuses every package; list the makers' public keys in \
                 keys"
                    .to_owned(),
            );
        }
        for peer in &self.dimse.peers {
            if let Some(Err(error)) = peer.address.as_deref().map(str::parse::<PeerAddress>) {
                problems.push(format!("[[dimse.peer]] {}: {error}", peer.ae_title));
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for destination in &self.destinations {
            if !names.insert(&destination.name) {
                problems.push(format!("destination {:?} is declared twice", destination.name));
            }
            problems.extend(destination.problem());
            for contact in self.notify.unknown(&destination.contacts) {
                let name = &destination.name;
                problems.push(format!(
                    "destination {name:?}: contact {contact:?} is not configured; add a [[notify.contact]] of that name"
                ));
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for deployment in &self.deployments {
            if !names.insert(&deployment.name) {
                problems.push(format!("deployment {:?} is declared twice", deployment.name));
            }
            problems.extend(deployment.problems(&self.destination_names()).iter().map(ToString::to_string));
            problems.extend(self.contact_problems(deployment));
        }
        problems
    }
}

impl DestinationConfig {
    fn problem(&self) -> Option<String> {
        let name = &self.name;
        match self.protocol {
            Protocol::Dimse if self.host.is_empty() || self.port == 0 || self.ae_title.is_none() => {
                Some(format!("destination {name:?} needs host, port and ae_title"))
            }
            Protocol::Dimse => None,
            Protocol::Stow => match self.url.as_deref() {
                Some(url) if url.starts_with("http://") || url.starts_with("https://") => None,
                _ => Some(format!("destination {name:?} needs url = \"http(s)://.../studies\"")),
            },
        }
    }
}

/// The deployments of a file: either a whole configuration or only `[[deployment]]` tables.
pub(crate) fn read_deployments(path: &Path) -> Result<(Vec<DeploymentSpec>, Option<Config>)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let table: toml::Table = toml::from_str(&text).with_context(|| path.display().to_string())?;
    if table.contains_key("data_dir") {
        let config = Config::read(path)?;
        return Ok((config.deployments.clone(), Some(config)));
    }
    let file: DeploymentFile = toml::from_str(&text).with_context(|| path.display().to_string())?;
    Ok((file.deployments, None))
}

/// What is wrong with a secret that programs share; an empty one would be known to everybody.
fn weak(secret: &Secret) -> Option<String> {
    let text = secret.reveal();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain && SECRET_CHARS_MIN <= text.len() {
        return None;
    }
    Some(format!(
        "must be at least {SECRET_CHARS_MIN} printable ASCII characters without spaces; take a random one, such as \
         `openssl rand -hex 16` gives"
    ))
}

/// `1 problem`, `2 problems`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "data_dir = 'data'\n[dimse]\naccept_any_peer = true\n";

    #[test]
    fn a_small_file_is_enough_and_binds_to_loopback() {
        let config = Config::parse(SMALL).unwrap();
        assert!(config.http.listen.ip().is_loopback() && config.dimse.listen.ip().is_loopback());
        assert_eq!(config.study.quiet_seconds, 60);
        assert!(config.catalog_url().starts_with("sqlite:"));
    }

    /// UX-05: an invalid file is rejected whole, and every problem names its remedy.
    #[test]
    fn every_problem_is_told() {
        let text = "data_dir = 'd'\n[http]\nlisten = '0.0.0.0:80'\n[study]\nquiet_seconds = 90000\n\
                    [[destination]]\nname = 'pacs'\n[[destination]]\nname = 'pacs'\nprotocol = 'stow'\nurl = 'ftp://x'\n";
        insta::assert_snapshot!(Config::parse(text).unwrap_err().to_string(), @r#"
        6 problems found:
          [http] listen = 0.0.0.0:80: pages and lists with patient data need no sign-in, so only loopback is served; use 127.0.0.1 behind a proxy that authenticates, or set allow_public_without_authentication = true for development
          [dimse]: nobody may connect; add a [[dimse.peer]] with ae_title (and address), or set accept_any_peer = true for development
          [study] quiet_seconds = 90000 is not in 0 to 86400
          destination "pacs" needs host, port and ae_title
          destination "pacs" is declared twice
          destination "pacs" needs url = "http(s)://.../studies"
        "#);
    }

    /// MV-05: whom a destination names must be known, else nobody is told and nobody knows.
    #[test]
    fn contacts_of_destinations_are_configured() {
        let of = |contacts: &str| {
            format!(
                "{SMALL}[[destination]]\nname = 'pacs'\nprotocol = 'stow'\nurl = 'https://x'\ncontacts = {contacts}\n\
                 [[notify.contact]]\nname = 'pacs-team'\nwebhook = 'https://a'\n"
            )
        };
        let config = Config::parse(&of("['pacs-team']")).unwrap();
        assert_eq!(config.notify.options(&config.destinations).destinations["pacs"], ["pacs-team"]);
        let error = Config::parse(&of("['pacs-taem']")).unwrap_err().to_string();
        let said =
            "destination \"pacs\": contact \"pacs-taem\" is not configured; add a [[notify.contact]] of that name";
        assert!(error.contains(said), "{error}");
    }

    /// An empty secret opens the door to everybody, a short one to whoever tries.
    #[test]
    fn shared_secrets_are_long() {
        for secret in ["", "short", "sixteen letters, with spaces"] {
            let text = format!(
                "{SMALL}[http]\nreport_token = '{secret}'\n[[notify.contact]]\nname = 'a'\nwebhook = 'https://a'\n\
                 webhook_secret = '{secret}'\n"
            );
            let error = Config::parse(&text).unwrap_err().to_string();
            for part in ["2 problems", "[http] report_token must be at least 16", "webhook_secret must", "openssl rand"]
            {
                assert!(error.contains(part), "{part} in {error}");
            }
            assert!(secret.is_empty() || !error.contains(secret), "{error}");
        }
        Config::parse(&format!("{SMALL}[http]\nreport_token = '0123456789abcdef'\n")).unwrap();
    }

    /// AV-19: nothing that readers answer leaves unless a destination asks for it.
    #[test]
    fn assessments_leave_where_they_are_asked_for() {
        let of = |more: &str| {
            let text = format!("{SMALL}[[destination]]\nname = 'pacs'\nprotocol = 'stow'\nurl = 'https://x'\n{more}");
            Config::parse(&text)
        };
        let silent = of("").unwrap();
        assert!(!silent.destinations[0].assessments);
        assert_eq!(silent.delivery.assessment_quiet_seconds, 60);
        assert!(of("assessments = true").unwrap().destinations[0].assessments);
        let error = of("[delivery]\nassessment_quiet_seconds = 90000").unwrap_err().to_string();
        assert!(error.contains("assessment_quiet_seconds = 90000 is not in 0 to 86400"), "{error}");
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        for (text, key) in [
            (format!("{SMALL}quiet = 3"), "quiet"),
            (format!("{SMALL}[https]\nlisten='x'"), "https"),
            (format!("{SMALL}[[destination]]\nname='p'\nhots='x'"), "hots"),
        ] {
            let error = Config::parse(&text).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let config = Config::parse(&format!("{SMALL}[catalog]\nurl='postgres://u:hunter2@h/db'")).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
