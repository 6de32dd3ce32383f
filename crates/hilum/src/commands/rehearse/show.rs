//! A rehearsal for people.

use hilum_monitor::Figure;
use hilum_monitor::rehearsal::{BEYOND_HORIZON, FaultReport, Measurement, Quantiles, Rehearsal, Replay};

/// Features whose shifts are shown, the largest first; the document has all.
const SHIFTS_SHOWN: usize = 6;

pub(super) fn rehearsal(told: &Rehearsal) {
    let calm = &told.in_control;
    println!(
        "{}: {} rules, {} runs, seed {}: {}",
        told.declared.deployment,
        told.declared.rules.len(),
        told.runs,
        told.seed,
        told.verdict.words()
    );
    println!("\nWithout a fault: {:.1} years in use, {} studies, {} labels", calm.years, calm.n_studies, calm.n_labels);
    println!("  {} stops a year", rate(&calm.false_stops_per_year));
    println!("  {} alarms a year that do not stop", rate(&calm.false_alarms_per_year));
    for rule in &calm.rules {
        let declared = match (rule.declared_per_year, rule.verdict) {
            (Some(declared), Some(verdict)) => format!("; declared {declared:.3}: {}", verdict.words()),
            _ => "; it declares no rate".to_owned(),
        };
        println!("  {:<24} {}{declared}", rule.rule, rate(&rule.per_year));
    }
    println!("\nWhat the rules can see with the events they get");
    for expected in &told.evidence {
        let declared = expected
            .declared_events_per_day
            .filter(|declared| 1.5 * declared < expected.events_per_day)
            .map(|declared| format!("  MORE than the {declared} declared: it stops more often than it says"));
        let per_day = expected.events_per_day;
        println!(
            "  {:<24} {per_day:.2} events a day (n = {}){}",
            expected.rule,
            expected.n_events,
            declared.unwrap_or_default()
        );
        for change in &expected.changes {
            match (change.median_events, change.median_days) {
                (Some(events), Some(days)) => println!("    {:<22} after {events} events, {days:.0} days", change.what),
                _ => println!("    {:<22} not within ten years", change.what),
            }
        }
    }
    told.faults.iter().for_each(fault);
}

fn fault(told: &FaultReport) {
    let fault = &told.fault;
    println!("\nFault {}: {} of size {}, from day {}", fault.name, fault.kind.name(), told.size, fault.start_day);
    println!("  effect {}", told.effect_source.name());
    told.measured.iter().for_each(|measured| measurement(measured));
    println!("  found within {} days in {}: {}", fault.found_within_days, share(&told.found), told.verdict.words());
    println!("  stopped within them in {}", share(&told.stopped));
    println!("  days to the first signal   {}", quantiles(&told.delay.days));
    println!("  studies                    {}", quantiles(&told.delay.studies));
    println!("  labels                     {}", quantiles(&told.delay.labels));
    println!("  days to the stop           {}", quantiles(&told.delay_to_stop.days));
    println!(
        "  missed cases until then    {}; {:.1} without the fault",
        quantiles(&told.missed_until_stop.cases),
        told.missed_until_stop.without_fault_mean
    );
    for first in told.first.iter().take(3) {
        let cut = if first.cut.is_empty() { String::new() } else { format!(" ({})", first.cut) };
        println!("  first told by {}{cut} in {} runs", first.rule, first.n_runs);
    }
}

fn measurement(told: &Measurement) {
    let experiment = &told.experiment;
    println!(
        "  on {} cases of set {}, seed {}, finding {}: {}",
        told.n_cases,
        experiment.reference_set.short(),
        experiment.seed,
        experiment.finding,
        experiment.change
    );
    if 0 < experiment.n_left_out {
        let why = experiment.left_out_because.as_deref().unwrap_or("not analysed although untouched");
        println!("    {:<24} {} cases: {why}", "left out", experiment.n_left_out);
    }
    let mut shifts: Vec<_> = told.features.iter().filter(|(_, shift)| shift.value != 0.0).collect();
    shifts.sort_by(|a, b| b.1.value.abs().total_cmp(&a.1.value.abs()));
    for (name, shift) in shifts.iter().take(SHIFTS_SHOWN) {
        println!("    {name:<24} {} SD", signed(shift));
    }
    for (what, figure) in [
        ("sensitivity loses", &told.sensitivity_loss),
        ("specificity loses", &told.specificity_loss),
        ("scores times", &told.score_gain),
        ("scores move, SD", &told.score_offset),
    ] {
        println!("    {what:<24} {}", figure.as_ref().map_or("not shown by any case".to_owned(), signed));
    }
    println!("    {:<24} {}", "not eligible", share(&told.not_eligible));
    for (what, figure) in [
        ("failed", &told.failures),
        ("outside the envelope", &told.outside_envelope),
        ("outside it untouched", &told.outside_untouched),
    ] {
        if let Some(figure) = figure {
            println!("    {what:<24} {}", share(figure));
        }
    }
}

fn signed(figure: &Figure) -> String {
    format!("{:+.3} ({:+.3} to {:+.3}, n = {}, {})", figure.value, figure.lower, figure.upper, figure.n, figure.method)
}

fn rate(figure: &Figure) -> String {
    format!("{:.3} ({:.3} to {:.3}, n = {}, {})", figure.value, figure.lower, figure.upper, figure.n, figure.method)
}

fn share(figure: &Figure) -> String {
    let percent = |share: f64| share * 100.0;
    format!(
        "{:.1} % ({:.1} to {:.1} %, n = {}, {})",
        percent(figure.value),
        percent(figure.lower),
        percent(figure.upper),
        figure.n,
        figure.method
    )
}

fn quantiles(told: &Quantiles) -> String {
    let Some(median) = &told.median else { return "in half of the runs or more: never".to_owned() };
    let upper = if median.upper < BEYOND_HORIZON { format!("{:.1}", median.upper) } else { "never".to_owned() };
    let p90 = told.p90.map_or("never".to_owned(), |p90| format!("{p90:.1}"));
    format!("median {:.1} ({:.1} to {upper}, n = {}), nine of ten {p90}", median.value, median.lower, median.n)
}

pub(super) fn replay(told: &Replay) {
    println!(
        "{}: {} studies and {} labels known from {} to {}, package {}",
        told.declared.deployment,
        told.n_studies,
        told.n_labels,
        told.from,
        told.until,
        told.package.short()
    );
    if 0 < told.n_labels_left_out {
        println!(
            "  {} labels left out: their studies are older, or another version answered them",
            told.n_labels_left_out
        );
    }
    if told.signals.is_empty() {
        println!("No rule would have fired.");
    }
    for signal in &told.signals {
        let cut = if signal.cut.is_empty() { String::new() } else { format!(" ({})", signal.cut) };
        println!("{}  {}{cut}: {} (n = {}, {})", signal.at, signal.rule, signal.text, signal.n, signal.method);
    }
    if let Some(at) = told.first_stop_at {
        println!("It would have been stopped at {at}, before {} more studies.", told.n_studies_after_stop);
    }
}
