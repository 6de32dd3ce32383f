use crate::commands::apply::actor;
use crate::commands::package::find;
use crate::commands::trial::{Bar, place};
use crate::config::Config;
use anyhow::{Result, bail};
use hilum_monitor::envelope::EnvelopeError;
use hilum_worker::trial::{EnvelopeRequest, FittedEnvelope, Progress, TrialError, fit_envelope};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// As of every gate: nothing is known.
const INSUFFICIENT: u8 = 4;

/// What to learn from, as asked for.
pub(super) struct Asked {
    pub(super) reference: String,
    pub(super) model: String,
    pub(super) deployment: Option<String>,
    pub(super) rate: Option<f64>,
    pub(super) strata: Vec<String>,
    pub(super) json: bool,
}

pub(super) async fn fit(config: &Path, asked: Asked) -> Result<ExitCode> {
    let Asked { reference, model, deployment, rate, strata, json: as_json } = asked;
    let config = Config::read(config)?;
    let place = place(&config, false).await?;
    let used_in = match deployment.as_deref() {
        None => None,
        Some(name) => match place.catalog.deployment_get(name).await? {
            None => bail!("no deployment is named {name:?}; `hilum deployments` shows them"),
            found => found,
        },
    };
    let declared = used_in.as_ref().and_then(|deployment| deployment.spec.envelope()).cloned().unwrap_or_default();
    let request = EnvelopeRequest {
        reference_set: reference,
        model: find(&*place.catalog, &model).await?,
        used_in,
        false_withhold_rate: rate.unwrap_or(declared.false_withhold_rate),
        strata,
        actor: actor(),
    };
    let bar: Arc<dyn Progress> = Arc::new(Bar::default());
    let fitted = fit_envelope(&place, &request, &bar).await;
    drop(bar);
    match fitted {
        Err(TrialError::Envelope(error @ EnvelopeError::Insufficient { .. })) => {
            eprintln!("{error}");
            Ok(ExitCode::from(INSUFFICIENT))
        }
        Err(error) => Err(error.into()),
        Ok(fitted) => {
            tell(&fitted, request.false_withhold_rate, as_json)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn tell(fitted: &FittedEnvelope, rate: f64, as_json: bool) -> Result<()> {
    let FittedEnvelope { record, body, is_new, quantiles, quantiles_of, embedding_left_out } = fitted;
    let bounds = body.envelope.bounds(rate)?;
    if as_json {
        let bounds: serde_json::Map<_, _> = bounds
            .into_iter()
            .map(|(name, [lower, upper])| (name, json!({ "lower": lower, "upper": upper })))
            .collect();
        let mut line = json!({
            "envelope": record.digest,
            "is_new": is_new,
            "n_cases": body.envelope.n_cases(),
            "n_not_eligible": body.n_not_eligible,
            "n_not_measured": body.n_not_measured,
            "n_groups": body.groups.len(),
            "false_withhold_rate": rate,
            "bounds": bounds,
            "quantiles": quantiles,
            "embedding_left_out": embedding_left_out,
        });
        if !quantiles_of.is_empty() {
            line["quantiles_of"] = json!(quantiles_of);
        }
        println!("{line}");
        return Ok(());
    }
    let known = if *is_new { "" } else { " (on file already)" };
    println!("learned from {} cases of {} acquisition groups{known}", body.envelope.n_cases(), body.groups.len());
    if 0 < body.n_not_eligible + body.n_not_measured {
        println!(
            "left out: {} cases the model is not meant for, {} whose images cannot be measured",
            body.n_not_eligible, body.n_not_measured
        );
    }
    for (name, [lower, upper]) in bounds {
        println!("  {name:<20} {lower:>12.4} to {upper:<12.4}");
    }
    if !body.envelope.left_out.is_empty() {
        println!("not compared, because some cases lack them: {}", body.envelope.left_out.join(", "));
    }
    if let Some(why) = embedding_left_out {
        println!("the embedding of the package is left out: {why}");
    }
    println!("envelope = \"{}\"", record.digest);
    Ok(())
}
