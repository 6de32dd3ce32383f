//! Packages, aliases, uses of reference sets and case lists.

use super::super::aliases::alias_from;
use super::super::proof::{alias_proof, case_list_proof, package_proof, use_proof};
use super::{Check, short};
use crate::StoreError;
use crate::sql::connection::Row;
use hilum_audit::AuditAction;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

impl Check {
    pub(super) fn package(&mut self, row: &Row) -> Result<(), StoreError> {
        self.report.n_packages += 1;
        let digest = row.text("digest")?;
        let (name, version, imported_at) = (row.text("name")?, row.text("version")?, row.time("imported_at")?);
        let subject = format!("package {name}@{version} {}", short(&digest));
        let manifest: Value = row.json("manifest").unwrap_or_default();
        let proof = package_proof(&name, &version, &manifest, &row.text("location")?);
        let Some(entry) = self.of(AuditAction::PackageImported, &digest).first_mut() else {
            self.wrong(subject, "the audit chain does not know its import: it was put in by hand");
            return Ok(());
        };
        entry.seen = true;
        // Entries of the first version of Hilum know name and version only.
        let told = entry.detail.clone();
        let time_holds = entry.at == imported_at;
        let mut changed: Vec<&str> = ["name", "version", "manifest", "location"]
            .into_iter()
            .filter(|key| told.get(key).is_some_and(|told| *told != proof[key]))
            .collect();
        if !time_holds {
            changed.push("time of import");
        }
        if !changed.is_empty() {
            self.wrong(subject, format!("changed by hand after its import: {}", changed.join(", ")));
        }
        Ok(())
    }

    pub(super) fn aliases(&mut self, rows: &[Row], moves: &[Row]) {
        let mut from: BTreeMap<String, hilum_types::Digest> = BTreeMap::new();
        self.each("alias_move", moves, |check, row| {
            check.report.n_alias_moves += 1;
            let moved = alias_from(row)?;
            let name = format!("{}/{}", moved.model, moved.alias);
            let number = row.number("number")?;
            let proof = alias_proof(number, from.insert(name.clone(), moved.package).as_ref(), &moved.package);
            let is_same_act = check
                .of(AuditAction::AliasMoved, &name)
                .iter()
                .any(|entry| entry.detail == proof && entry.at == moved.moved_at && entry.actor == moved.actor);
            if !check.answered(AuditAction::AliasMoved, &name, &proof) || !is_same_act {
                check.wrong(format!("alias {name}"), format!("its move number {number} was changed or put in by hand"));
            }
            Ok(())
        });
        let until = self.until;
        let mut left: BTreeSet<String> = self
            .entries
            .get(AuditAction::AliasMoved.name())
            .into_iter()
            .flat_map(|entries| entries.keys().cloned())
            .collect();
        self.each("alias", rows, |check, row| {
            left.remove(&format!("{}/{}", row.text("model")?, row.text("alias")?));
            check.alias(row)
        });
        for name in left {
            if self.of(AuditAction::AliasMoved, &name).iter().any(|entry| entry.seq <= until) {
                self.wrong(format!("alias {name}"), "it was taken out by hand");
            }
        }
    }

    fn alias(&mut self, row: &Row) -> Result<(), StoreError> {
        let now = alias_from(row)?;
        let (name, until) = (format!("{}/{}", now.model, now.alias), self.until);
        let story = self.of(AuditAction::AliasMoved, &name);
        let to = now.package.to_string();
        let holds = story.iter().enumerate().any(|(place, entry)| {
            story.get(place + 1).is_none_or(|next| until < next.seq)
                && entry.detail["to"].as_str() == Some(to.as_str())
                && entry.actor == now.actor
                && entry.at == now.moved_at
        });
        if !holds {
            self.wrong(format!("alias {name}"), "it was moved by hand: the audit chain says it points elsewhere");
        }
        Ok(())
    }

    pub(super) fn reference_use(&mut self, row: &Row) -> Result<(), StoreError> {
        let (set, number) = (row.text("set_digest")?, row.number::<u32>("number")?);
        let (actor, used_at) = (row.text("actor")?, row.time("used_at")?);
        let proof = use_proof(number, &row.text("protocol")?, &row.text("package")?);
        let is_same_act = self
            .of(AuditAction::ReferenceUsed, &set)
            .iter()
            .any(|entry| entry.detail == proof && entry.actor == actor && entry.at == used_at);
        if !self.answered(AuditAction::ReferenceUsed, &set, &proof) || !is_same_act {
            let problem = format!("its use number {number} was changed or put in by hand");
            self.wrong(format!("reference set {}", short(&set)), problem);
        }
        Ok(())
    }

    pub(super) fn case_lists(&mut self, rows: &[Row], fingerprints: &[Row]) {
        let mut rows_of: BTreeMap<String, Vec<(String, String, String)>> = BTreeMap::new();
        self.each("fingerprint", fingerprints, |_, row| {
            let fingerprint = (row.text("case_id")?, row.text("kind")?, row.text("value")?);
            rows_of.entry(row.text("set_digest")?).or_default().push(fingerprint);
            Ok(())
        });
        self.each("fingerprint_set", rows, |check, row| {
            check.report.n_case_lists += 1;
            let set = row.text("set_digest")?;
            let fingerprints = rows_of.get(&set).map_or(&[][..], Vec::as_slice);
            let proof = case_list_proof(&row.text("role")?, &row.text("model")?, row.number("n_cases")?, fingerprints);
            if !check.answered(AuditAction::FingerprintsAdded, &set, &proof) {
                let subject = format!("case list {}", short(&set));
                check.wrong(subject, "its fingerprints, role or model were changed or put in by hand");
                check.of(AuditAction::FingerprintsAdded, &set).iter_mut().for_each(|entry| entry.seen = true);
            }
            Ok(())
        });
    }
}
