//! Deployments: the row as it stands, every change of it, and what the audit chain says about both.

use super::{Check, Entry};
use crate::StoreError;
use crate::sql::connection::Row;
use crate::sql::deployments::{change_from, deployment_from, row_proof};
use hilum_audit::AuditAction;
use hilum_registry::Deployment;
use std::collections::{BTreeMap, BTreeSet};

impl Check {
    /// Every change has the audit entry of its revision, which tells state, package and a digest of the whole row; the
    /// deployment is as its last change left it.
    pub(super) fn deployments(&mut self, rows: &[Row], changes: &[Row]) {
        let mut by_revision: BTreeMap<(String, u32), Deployment> = BTreeMap::new();
        self.each("deployment_change", changes, |check, row| {
            let change = change_from(row)?;
            by_revision.insert((row.text("name")?, change.deployment.revision), change.deployment);
            check.deployment_change(row)
        });
        let until = self.until;
        let mut left: BTreeSet<String> = by_revision.keys().map(|(name, _)| name.clone()).collect();
        self.each("deployment", rows, |check, row| {
            check.report.n_deployments += 1;
            let name = row.text("name")?;
            left.remove(&name);
            let now = deployment_from(row, "updated_at")?;
            let story = check.of(AuditAction::DeploymentApplied, &name).iter();
            // A change that was committed after the row was read is not held against it.
            let newest =
                story.filter(|entry| entry.seq <= until).filter_map(|entry| entry.detail["revision"].as_u64()).max();
            let is_newest = newest <= Some(now.revision.into());
            if !is_newest || by_revision.get(&(name.clone(), now.revision)) != Some(&now) {
                let problem = "it was changed by hand: it is not as its last change left it";
                check.wrong(format!("deployment {name}"), problem);
            }
            Ok(())
        });
        for name in left {
            if self.of(AuditAction::DeploymentApplied, &name).iter().any(|entry| entry.seq <= until) {
                self.wrong(format!("deployment {name}"), "it was taken out by hand");
            }
        }
    }

    fn deployment_change(&mut self, row: &Row) -> Result<(), StoreError> {
        let (name, change) = (row.text("name")?, change_from(row)?);
        let revision = change.deployment.revision;
        let subject = format!("deployment {name}");
        let is_of_revision = |entry: &&mut Entry| entry.detail["revision"] == revision;
        let entry = self.of(AuditAction::DeploymentApplied, &name).iter_mut().find(is_of_revision);
        let Some(entry) = entry else {
            let problem = format!("the audit chain does not know its revision {revision}: it was put in by hand");
            self.wrong(subject, problem);
            return Ok(());
        };
        entry.seen = true;
        let told = |key: &str, now: &str| entry.detail.get(key).is_none_or(|told| *told == now);
        // Entries of the first versions of Hilum have no digest of the row.
        let holds = told("row", &row_proof(&change)?.to_string())
            && told("state", change.deployment.state.name())
            && told("package", &change.deployment.package_digest.to_string())
            && change.deployment.spec.name == name
            && entry.actor == change.actor
            && entry.at == change.changed_at;
        if !holds {
            self.wrong(subject, format!("its revision {revision} was changed by hand"));
        }
        Ok(())
    }
}
