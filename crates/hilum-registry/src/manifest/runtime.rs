use super::SeriesSelect;
use hilum_types::AeTitle;
use serde::{Deserialize, Serialize};

/// `[runtime]`: where the model runs when it is not a graph of this package (AV-08).
///
/// A package with this table holds no weights: it is what is declared about a product that somebody else runs. It is
/// registered, gated, recorded and stopped like any other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Runtime {
    /// A server of Open Inference Protocol v2.
    Oip(OipRuntime),
    /// A product that takes studies by C-STORE and sends its results back by C-STORE.
    DicomNode(Box<DicomNodeRuntime>),
}

/// `kind = "oip"`: tensors prepared here are computed by a server elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OipRuntime {
    /// Beginning of the server's address, such as `http://triton:8000` or, for gRPC, `http://triton:8001`.
    pub url: String,
    /// Name of the model there.
    pub model: String,
    /// Version there; an answer of any other version is refused.
    pub version: String,
    /// How tensors travel.
    #[serde(default)]
    pub protocol: OipProtocol,
    /// Largest answer taken, in MiB.
    #[serde(default = "answer_mib_max")]
    pub answer_mib_max: u32,
}

fn answer_mib_max() -> u32 {
    1024
}

/// How tensors travel to a remote model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OipProtocol {
    /// REST with the binary tensor data extension.
    #[default]
    Http,
    /// gRPC with raw contents.
    Grpc,
}

/// `kind = "dicom-node"`: a product behind two AE titles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DicomNodeRuntime {
    /// AE title the product is called by.
    pub ae_title: AeTitle,
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// AE title under which the product calls back; a `[[dimse.peer]]` of this name must be configured.
    pub result_ae_title: AeTitle,
    /// Results that come later than this after the study was sent count as none, in seconds.
    #[serde(default = "deadline")]
    pub deadline_seconds: u32,
    /// The results are complete when none came for this long, in seconds.
    #[serde(default = "quiet")]
    pub quiet_seconds: u32,
    /// Fewest result objects of one study; fewer within the deadline is a failure.
    #[serde(default = "one")]
    pub results_min: u32,
    /// Manufacturer's Model Name (0008,1090) the product writes; not compared when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_name: Option<String>,
    /// Software Versions (0018,1020), or algorithm version, that the product writes; `package.version` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Series that are sent; every series that satisfies these rules.
    #[serde(default)]
    pub select: SeriesSelect,
}

fn deadline() -> u32 {
    600
}

fn quiet() -> u32 {
    5
}

fn one() -> u32 {
    1
}

impl Runtime {
    pub(super) fn problems(&self, inputs: usize, outputs: usize, add: &mut Vec<String>) {
        match self {
            Runtime::Oip(oip) => oip.problems(add),
            Runtime::DicomNode(node) => {
                node.problems(add);
                if inputs + outputs != 0 {
                    add.push("a dicom-node takes objects, not tensors; remove [[input]] and [[output]]".to_owned());
                }
            }
        }
    }
}

impl OipRuntime {
    fn problems(&self, add: &mut Vec<String>) {
        let host = ["http://", "https://"].iter().find_map(|scheme| self.url.strip_prefix(scheme));
        let plain = |rest: &str| !rest.is_empty() && !rest.contains(['@', '?', '#', ' ']);
        if !host.is_some_and(plain) {
            add.push("runtime.url must be http(s)://HOST:PORT without user, query or fragment".to_owned());
        }
        let letters = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        for (key, text) in [("model", &self.model), ("version", &self.version)] {
            if text.is_empty() || 128 < text.len() || !text.bytes().all(letters) {
                add.push(format!("runtime.{key} must be 1 to 128 letters, digits, '-', '_' or '.'"));
            }
        }
        if !(1..=2047).contains(&self.answer_mib_max) {
            add.push(format!("runtime.answer_mib_max is {}; it must be in 1 to 2047", self.answer_mib_max));
        }
    }
}

impl DicomNodeRuntime {
    /// Software version that results must state.
    pub fn expected_version<'a>(&'a self, package_version: &'a str) -> &'a str {
        self.software_version.as_deref().unwrap_or(package_version)
    }

    fn problems(&self, add: &mut Vec<String>) {
        if self.host.trim().is_empty() || self.port == 0 {
            add.push("runtime.host and runtime.port must name the product's listener".to_owned());
        }
        for (key, value, low, high) in [
            ("deadline_seconds", self.deadline_seconds, 1, 24 * 3600),
            ("quiet_seconds", self.quiet_seconds, 1, 3600),
            ("results_min", self.results_min, 1, 1000),
        ] {
            if !(low..=high).contains(&value) {
                add.push(format!("runtime.{key} is {value}; it must be in {low} to {high}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        let runtime: Runtime = toml::from_str(text).unwrap();
        let mut add = Vec::new();
        runtime.problems(0, 0, &mut add);
        add.join("\n")
    }

    #[test]
    fn a_server_is_named_plainly() {
        let good = "kind='oip'\nurl='http://triton:8000'\nmodel='cxr'\nversion='1'";
        assert_eq!(problems(good), "");
        insta::assert_snapshot!(problems("kind='oip'\nurl='ftp://u:p@h'\nmodel='a/b'\nversion=''\nanswer_mib_max=0"), @r"
        runtime.url must be http(s)://HOST:PORT without user, query or fragment
        runtime.model must be 1 to 128 letters, digits, '-', '_' or '.'
        runtime.version must be 1 to 128 letters, digits, '-', '_' or '.'
        runtime.answer_mib_max is 0; it must be in 1 to 2047
        ");
    }

    #[test]
    fn a_node_needs_both_titles_and_unknown_keys_are_refused() {
        let good = "kind='dicom-node'\nae_title='PRODUCT'\nhost='h'\nport=104\nresult_ae_title='PRODUCT'";
        assert_eq!(problems(good), "");
        for bad in [format!("{good}\nhots='x'"), good.replace("result_ae_title='PRODUCT'", "")] {
            assert!(toml::from_str::<Runtime>(&bad).is_err(), "{bad}");
        }
        assert!(problems(&good.replace("104", "0")).contains("runtime.port"));
    }
}
