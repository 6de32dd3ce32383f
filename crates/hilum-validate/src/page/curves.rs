use super::table::{Cell, Table, figure_cells};
use super::{Chart, Section};
use crate::chart::{decision_chart, five_number_bar, precision_recall_chart, reliability_chart, roc_chart};
use crate::protocol::Binning;
use crate::report::{Classification, Curve, Figure, OperatingPointResult, Report, Shown};
use crate::text::{counted, fixed, limit, number, percent};

/// Every tenth of a curve's 101 places stands in the table beside it.
const TABLE_STEP: usize = 10;

fn figure_row(name: &str, shown: &Shown<Figure>, decimals: usize) -> Vec<Cell> {
    let [value, n, method] = figure_cells(shown, decimals);
    vec![Cell::heading(name), value, n, method]
}

fn figure_table(caption: String, rows: Vec<Vec<Cell>>) -> Table {
    let head = ["", "Value, interval", "n", "Method"].map(str::to_owned).to_vec();
    Table { caption, head, rows, class: "figures", wide: true }
}

fn level_of(report: &Report) -> String {
    percent(report.protocol.document.interval.level)
}

/// ROC and precision-recall.
pub(super) fn discrimination(report: &Report) -> Option<Section> {
    let classification = report.classification.as_ref()?;
    let point = classification.operating_point.figure();
    let prevalence = classification.prevalence.figure().map(|figure| figure.value);
    let mut charts = Vec::new();
    let mut tables = vec![figure_table(
        format!("How well the score tells cases apart, with {} intervals", level_of(report)),
        vec![
            figure_row("AUROC", &classification.auroc, 3),
            figure_row("Average precision", &classification.auprc, 3),
            figure_row("Prevalence", &classification.prevalence, 3),
        ],
    )];
    let mut missing = Vec::new();
    let mut curve = |shown: &Shown<Curve>, name: &str, drawing: &dyn Fn(&Curve) -> String, axes: [&str; 2]| match shown
    {
        Shown::Missing(why) => missing.push(format!("{name}: {why}.")),
        Shown::Figure(curve) => {
            let units = counted(curve.n, if curve.n < report.flow.analysed { "patient" } else { "case" });
            let caption = format!("{name} with its {} band at each place; n = {units}", percent(curve.level));
            charts.push(Chart { drawing: drawing(curve), caption });
            tables.push(curve_table(curve, name, axes));
        }
    };
    let roc = |curve: &Curve| roc_chart(curve, point);
    let precision_recall = |curve: &Curve| precision_recall_chart(curve, prevalence, point);
    curve(&classification.roc, "ROC curve", &roc, ["1 \u{2212} specificity", "Sensitivity"]);
    curve(&classification.precision_recall, "Precision-recall curve", &precision_recall, ["Recall", "Precision"]);
    Some(Section { id: "discrimination", title: "Discrimination".to_owned(), lead: missing.join(" "), charts, tables })
}

fn curve_table(curve: &Curve, name: &str, [x, y]: [&str; 2]) -> Table {
    let row = |point: &crate::report::CurveAt| {
        vec![
            Cell::number(fixed(point.x, 2)),
            Cell::number(fixed(point.y, 3)),
            Cell::number(format!("{} to {}", fixed(point.lower, 3), fixed(point.upper, 3))),
        ]
    };
    let rows = curve.points.iter().step_by(TABLE_STEP).map(row).collect();
    Table {
        caption: format!("{name} in numbers"),
        head: vec![x.to_owned(), y.to_owned(), "Band".to_owned()],
        rows,
        class: "",
        wide: false,
    }
}

/// What happens at the threshold.
pub(super) fn operating_point(report: &Report) -> Option<Section> {
    let classification: &Classification = report.classification.as_ref()?;
    let title = "Operating point".to_owned();
    let point: &OperatingPointResult = match &classification.operating_point {
        Shown::Figure(point) => point,
        Shown::Missing(why) => {
            return Some(Section { id: "operating-point", title, lead: format!("{why}."), ..Section::default() });
        }
    };
    let confusion = Table {
        caption: "Confusion table".to_owned(),
        head: ["", "Finding present", "Finding absent"].map(str::to_owned).to_vec(),
        rows: vec![
            vec![
                Cell::heading("Called present"),
                Cell::count(point.true_positives).with_sub("true positives"),
                Cell::count(point.false_positives).with_sub("false alarms"),
            ],
            vec![
                Cell::heading("Called absent"),
                Cell::count(point.false_negatives).with_sub("missed"),
                Cell::count(point.true_negatives).with_sub("true negatives"),
            ],
        ],
        class: "confusion",
        wide: false,
    };
    let mut rows = vec![
        figure_row("Sensitivity", &point.sensitivity, 3),
        figure_row("Specificity", &point.specificity, 3),
        figure_row("Positive predictive value", &point.ppv, 3),
        figure_row("Negative predictive value", &point.npv, 3),
        figure_row("Likelihood ratio of \u{201c}present\u{201d}", &point.positive_likelihood_ratio, 2),
        figure_row("Likelihood ratio of \u{201c}absent\u{201d}", &point.negative_likelihood_ratio, 3),
    ];
    if let Some(worst) = &point.worst_case {
        rows.push(figure_row("Sensitivity, missing results called wrongly", &worst.sensitivity, 3));
        rows.push(figure_row("Specificity, missing results called wrongly", &worst.specificity, 3));
    }
    if let Some(concordance) = &classification.concordance {
        rows.push(figure_row("Concordance with readers who had seen a model", concordance, 3));
    }
    let figures = figure_table(format!("At this threshold, with {} intervals", level_of(report)), rows);
    let lead = format!(
        "At a score of {} or more the finding is called present (threshold of the {}).",
        limit(point.threshold),
        source(point)
    );
    Some(Section { id: "operating-point", title, lead, tables: vec![confusion, figures], ..Section::default() })
}

fn source(point: &OperatingPointResult) -> &'static str {
    match point.source.as_str() {
        "package" => "package",
        "deployment" => "deployment",
        _ => "protocol",
    }
}

/// Whether a score of 0.7 means 70 %.
pub(super) fn calibration(report: &Report) -> Option<Section> {
    let title = "Calibration".to_owned();
    let calibration = match &report.classification.as_ref()?.calibration {
        Shown::Figure(calibration) => calibration,
        Shown::Missing(why) => {
            return Some(Section { id: "calibration", title, lead: format!("{why}."), ..Section::default() });
        }
    };
    let mut figures = figure_table(
        format!("With {} intervals", level_of(report)),
        vec![
            figure_row("Calibration error (ECE, debiased)", &calibration.ece, 3),
            figure_row("Brier score", &calibration.brier, 3),
            figure_row("Slope; 1 is right", &calibration.slope, 2),
            figure_row("Intercept; 0 is right", &calibration.intercept, 2),
        ],
    );
    if let Shown::Figure(test) = &calibration.spiegelhalter {
        let p = if test.p_value < 0.001 { "p < 0.001".to_owned() } else { format!("p = {}", fixed(test.p_value, 3)) };
        let value = Cell::number(format!("z {}", fixed(test.statistic, 2))).with_sub(p);
        figures.rows.push(vec![
            Cell::heading("Spiegelhalter's test"),
            value,
            Cell::count(test.n),
            Cell::code(test.method.clone()),
        ]);
    }
    let parts = &calibration.brier_parts;
    let parts = Table {
        caption: "What the Brier score is made of: miscalibration less resolution plus uncertainty plus the rest"
            .to_owned(),
        head: ["Miscalibration", "Resolution", "Uncertainty", "Within bins"].map(str::to_owned).to_vec(),
        rows: vec![
            [parts.reliability, parts.resolution, parts.uncertainty, parts.within_bins]
                .map(|part| Cell::number(fixed(part, 4)))
                .into(),
        ],
        class: "",
        wide: false,
    };
    let row = |bin: &crate::report::CalibrationBin| {
        vec![
            Cell::heading(format!("{} to {}", fixed(bin.from, 3), fixed(bin.to, 3))),
            Cell::number(fixed(bin.mean_predicted, 3)),
            Cell::figure(&Shown::Figure(bin.observed.clone()), 3),
            Cell::count(bin.observed.n),
        ]
    };
    let bins = Table {
        caption: "The bins in numbers; intervals by Wilson".to_owned(),
        head: ["Scores", "Mean score", "Share with the finding", "n"].map(str::to_owned).to_vec(),
        rows: calibration.bins.iter().map(row).collect(),
        class: "",
        wide: false,
    };
    let cut = match calibration.binning {
        Binning::EqualWidth => "of equal width",
        Binning::EqualCount => "of equally many cases",
    };
    let caption = format!("Reliability by bins {cut}; the area of a dot goes with its number of cases");
    Some(Section {
        id: "calibration",
        title,
        lead: "Whether a score of 0.7 means that seven in ten such cases have the finding. Above the diagonal the score is too low, below it too high.".to_owned(),
        charts: vec![Chart { drawing: reliability_chart(calibration), caption }],
        tables: vec![bins, figures, parts],
    })
}

/// What acting on the score gains.
pub(super) fn decision(report: &Report) -> Option<Section> {
    let title = "Decision curve".to_owned();
    let curve = match &report.classification.as_ref()?.decision_curve {
        Shown::Figure(curve) => curve,
        Shown::Missing(why) => {
            return Some(Section { id: "decision", title, lead: format!("{why}."), ..Section::default() });
        }
    };
    let row = |point: &crate::report::NetBenefitAt| {
        vec![
            Cell::number(fixed(point.threshold, 2)),
            Cell::figure(&Shown::Figure(point.model.clone()), 3),
            Cell::number(fixed(point.treat_all, 3)),
        ]
    };
    let rows = curve.points.iter().skip(TABLE_STEP - 1).step_by(TABLE_STEP).map(row).collect();
    let n = curve.points.first().map_or(0, |point| point.model.n);
    Some(Section {
        id: "decision",
        title,
        lead: "For someone who would act at a given probability: true positives gained per case, less false alarms at the odds \
               of that probability. The model is of use where its line lies above both others. It takes the score for a \
               probability."
            .to_owned(),
        charts: vec![Chart {
            drawing: decision_chart(curve),
            caption: format!("Net benefit with its {} band; n = {n}; net-benefit/normal", level_of(report)),
        }],
        tables: vec![Table {
            caption: "Decision curve in numbers".to_owned(),
            head: ["Threshold", "Model", "Act on everybody"].map(str::to_owned).to_vec(),
            rows,
            class: "", wide: false,
        }],
    })
}

/// Distribution of the per-case measures of a segmentation.
pub(super) fn measures(report: &Report) -> Option<Section> {
    if report.measures.is_empty() {
        return None;
    }
    let mut rows = Vec::new();
    for summary in &report.measures {
        let quartiles = summary.five_numbers.map(|value| number(summary.metric, value));
        let [mean, n, method] = figure_cells(&summary.mean, 3);
        let without =
            if 0 < summary.without_value { format!("{} without", summary.without_value) } else { String::new() };
        rows.push(vec![
            Cell::heading(summary.metric.title()),
            mean,
            Cell::drawing(five_number_bar(&summary.five_numbers, summary.mean.figure())),
            Cell::number(quartiles[2].clone()).with_sub(format!("{} to {}", quartiles[1], quartiles[3])),
            Cell::number(format!("{} to {}", quartiles[0], quartiles[4])),
            if without.is_empty() { n } else { n.with_sub(without) },
            method,
        ]);
    }
    let head = ["Measure", "Mean, interval", "", "Median, quartiles", "Least to most", "n", "Method"];
    Some(Section {
        id: "measures",
        title: "Segmentation".to_owned(),
        lead: "Measures of each case against its reference segmentation.".to_owned(),
        tables: vec![Table {
            caption: "Box: quartiles and median over the range of the cases; diamond: mean with its interval"
                .to_owned(),
            head: head.map(str::to_owned).to_vec(),
            rows,
            class: "forest",
            wide: true,
        }],
        ..Section::default()
    })
}
