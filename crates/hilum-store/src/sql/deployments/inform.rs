//! Those who receive results are told of a change in the act that makes it (MV-05).

use crate::StoreError;
use crate::sql::act::Act;
use crate::sql::connection::values;
use hilum_monitor::Signal;
use hilum_monitor::notice::{Changed, NoticeChange, Withheld, notice};
use hilum_registry::Deployment;
use hilum_types::Digest;
use std::collections::BTreeMap;

/// Who changes a deployment, and why.
pub(in crate::sql) struct Why<'a> {
    /// A person, or `stop-rule:<name>`.
    pub(in crate::sql) by: &'a str,
    /// In their words.
    pub(in crate::sql) reason: &'a str,
    /// What the rule said, where one did it.
    pub(in crate::sql) signal: Option<&'a Signal>,
}

impl<'a> Why<'a> {
    /// What somebody said.
    pub(in crate::sql) fn said(by: &'a str, reason: &'a str) -> Why<'a> {
        Why { by, reason, signal: None }
    }

    /// The change it led to.
    pub(in crate::sql) fn changed(
        &self,
        change: NoticeChange,
        before: &'a Deployment,
        after: &'a Deployment,
        withheld: Withheld,
    ) -> Changed<'a> {
        Changed { change, before, after, also: &[], by: self.by, signal: self.signal, withheld }
    }
}

/// Enter the message to those who receive results of the deployment, if there is anything to tell them.
pub(in crate::sql) async fn inform(act: &mut Act, changed: &Changed<'_>) -> Result<(), StoreError> {
    let mut names: BTreeMap<Digest, String> = BTreeMap::new();
    for digest in [changed.before.package_digest, changed.after.package_digest] {
        let row = act.row("SELECT name, version FROM package WHERE digest = $1", values![digest]).await?;
        let name = match row {
            Some(row) => format!("{} {}", row.text("name")?, row.text("version")?),
            None => format!("package {}", digest.short()),
        };
        names.insert(digest, name);
    }
    let version_of = |digest: &Digest| names.get(digest).cloned().unwrap_or_else(|| digest.short().to_string());
    match notice(changed, act.now, version_of) {
        Some(notice) => act.notify_destinations(&notice).await,
        None => Ok(()),
    }
}
