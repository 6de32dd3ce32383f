use super::axes::{Axes, Axis};
use super::svg::Anchor;
use crate::report::{Calibration, Curve, DecisionCurve, OperatingPointResult};
use crate::text::{fixed, percent};

/// ROC curve with its band, chance, and the operating point.
pub(crate) fn roc_chart(curve: &Curve, operating_point: Option<&OperatingPointResult>) -> String {
    let mut axes = Axes::new(&Axis::unit("1 \u{2212} specificity"), &Axis::unit("Sensitivity"));
    axes.line("c-chance", &[(0.0, 0.0), (1.0, 1.0)]);
    draw(&mut axes, curve, (0.0, 0.0));
    let mut description = format!("Sensitivity over false-positive rate with a {} band.", percent(curve.level));
    let rates = operating_point.and_then(|point| Some((point.specificity.figure()?, point.sensitivity.figure()?)));
    if let Some((specificity, sensitivity)) = rates {
        let (x, y) = (1.0 - specificity.value, sensitivity.value);
        let (across, up) = axes.point(x, y);
        let (low, high) = (axes.point(1.0 - specificity.upper, y), axes.point(1.0 - specificity.lower, y));
        axes.svg.line("c-point-bar", (low.0, up), (high.0, up));
        let (low, high) = (axes.point(x, sensitivity.lower), axes.point(x, sensitivity.upper));
        axes.svg.line("c-point-bar", (across, low.1), (across, high.1));
        axes.svg.circle("c-point", (across, up), 5.0);
        let (anchor, shift) = if x < 0.6 { (Anchor::Start, 10.0) } else { (Anchor::End, -10.0) };
        axes.label(anchor, (x, y), (shift, 22.0), "operating point");
        description.push_str(&format!(
            " The operating point has sensitivity {} and specificity {}.",
            fixed(sensitivity.value, 3),
            fixed(specificity.value, 3)
        ));
    }
    axes.svg.finish("chart-roc", "ROC curve", &description)
}

/// Precision-recall curve with its band and the prevalence, which is what chance reaches.
pub(crate) fn precision_recall_chart(
    curve: &Curve,
    prevalence: Option<f64>,
    operating_point: Option<&OperatingPointResult>,
) -> String {
    let mut axes = Axes::new(&Axis::unit("Recall (sensitivity)"), &Axis::unit("Precision (PPV)"));
    if let Some(prevalence) = prevalence {
        axes.line("c-chance", &[(0.0, prevalence), (1.0, prevalence)]);
        axes.label(Anchor::Start, (0.0, prevalence), (8.0, -6.0), "prevalence");
    }
    let points = &curve.points;
    let start = points.first().map_or((0.0, 1.0), |point| (point.x, point.y));
    draw(&mut axes, curve, start);
    if let Some((recall, precision)) =
        operating_point.and_then(|point| Some((point.sensitivity.figure()?, point.ppv.figure()?)))
    {
        let at = axes.point(recall.value, precision.value);
        axes.svg.circle("c-point", at, 5.0);
    }
    let description = format!("Precision over recall with a {} band.", percent(curve.level));
    axes.svg.finish("chart-precision-recall", "Precision-recall curve", &description)
}

fn draw(axes: &mut Axes, curve: &Curve, start: (f64, f64)) {
    let lower: Vec<_> = curve.points.iter().map(|point| (point.x, point.lower)).collect();
    let upper: Vec<_> = curve.points.iter().map(|point| (point.x, point.upper)).collect();
    axes.band("c-band", &lower, &upper);
    let line: Vec<_> = std::iter::once(start).chain(curve.points.iter().map(|point| (point.x, point.y))).collect();
    axes.line("c-line", &line);
}

/// Observed share over mean score of each bin; the area of a dot goes with its number of cases.
pub(crate) fn reliability_chart(calibration: &Calibration) -> String {
    let mut axes = Axes::new(&Axis::unit("Mean score"), &Axis::unit("Share with the finding"));
    axes.line("c-chance", &[(0.0, 0.0), (1.0, 1.0)]);
    let line: Vec<_> = calibration.bins.iter().map(|bin| (bin.mean_predicted, bin.observed.value)).collect();
    axes.line("c-line c-thin", &line);
    let most = calibration.bins.iter().map(|bin| bin.observed.n).max().unwrap_or(1).max(1);
    for bin in &calibration.bins {
        let radius = 2.5 + 6.5 * (bin.observed.n as f64 / most as f64).sqrt();
        axes.whisker(bin.mean_predicted, (bin.observed.lower, bin.observed.value, bin.observed.upper), radius);
    }
    let description = "Share of cases with the finding over their mean score, by bins, with intervals. On the diagonal \
                       the score is the probability.";
    axes.svg.finish("chart-reliability", "Reliability diagram", description)
}

/// Net benefit of acting on the score, on everybody and on nobody.
pub(crate) fn decision_chart(curve: &DecisionCurve) -> String {
    let top = curve.points.iter().flat_map(|point| [point.model.upper, point.treat_all]).fold(0.05, f64::max);
    let step = if 0.5 < top {
        0.2
    } else if 0.2 < top {
        0.1
    } else {
        0.05
    };
    let top = (top / step).ceil() * step;
    let bottom = -step;
    let n_ticks = ((top - bottom) / step).round() as u32;
    let ticks = (0..=n_ticks).map(|tick| bottom + f64::from(tick) * step).collect();
    let y = Axis { range: (bottom, top), ticks, name: "Net benefit per case" };
    let mut axes = Axes::new(&Axis::unit("Threshold probability"), &y);
    let visible = |value: f64| value.clamp(bottom, top);
    let of = |pick: &dyn Fn(&crate::report::NetBenefitAt) -> f64| -> Vec<(f64, f64)> {
        curve.points.iter().map(|point| (point.threshold, visible(pick(point)))).collect()
    };
    axes.band("c-band", &of(&|point| point.model.lower), &of(&|point| point.model.upper));
    axes.line("c-axis", &[(0.0, 0.0), (1.0, 0.0)]);
    // Acting on everybody soon costs more than it gains; below the chart its line ends.
    let everybody: Vec<_> =
        curve.points.iter().filter(|p| bottom <= p.treat_all).map(|p| (p.threshold, p.treat_all)).collect();
    axes.line("c-chance", &everybody);
    axes.line("c-line", &of(&|point| point.model.value));
    axes.label(Anchor::End, (1.0, 0.0), (-4.0, 15.0), "act on nobody");
    if let Some(&(x, y)) = everybody.last() {
        let (anchor, shift) = if x < 0.6 { (Anchor::Start, 8.0) } else { (Anchor::End, -8.0) };
        axes.label(anchor, (x, y), (shift, -6.0), "act on everybody");
    }
    let description = "Net benefit over the probability at which one would act: of the model with its band, of acting \
                       on everybody, and of acting on nobody, which is 0.";
    axes.svg.finish("chart-decision", "Decision curve", description)
}
