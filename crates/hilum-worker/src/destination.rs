use hilum_types::AeTitle;
use std::time::Duration;

/// Where results go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Name that deployments use.
    pub name: String,
    /// How results travel.
    pub protocol: Protocol,
    /// Longest time one attempt may take.
    pub timeout: Duration,
    /// Whether it wants what readers answer to the results that it holds, as structured reports.
    pub assessments: bool,
}

/// How results travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// C-STORE.
    Dimse {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// AE title to call.
        called_ae: AeTitle,
        /// Our own AE title.
        calling_ae: AeTitle,
    },
    /// STOW-RS.
    Stow {
        /// URL of the studies resource.
        url: String,
    },
}
