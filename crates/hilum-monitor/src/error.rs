use hilum_registry::Metric;
use hilum_stats::StatsError;
use hilum_types::Independence;

/// Why there is no figure, or a rule is not watched.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MonitorError {
    /// Labels of a class that does not carry the figure (MV-25).
    #[error("{} may not rest on labels of class {}; ask for one class that it may rest on", .metric.name(), .class.name())]
    LabelClass {
        /// The figure asked for.
        metric: Metric,
        /// The class.
        class: Independence,
    },
    /// Labels of several classes in one figure of accuracy (MV-25).
    #[error("{} mixed from labels of several classes has no meaning; ask for one class", .metric.name())]
    MixedExposure {
        /// The figure asked for.
        metric: Metric,
    },
    /// A rule that cannot be watched as it is declared.
    #[error("rule {rule:?} cannot be watched")]
    Rule {
        /// Its name.
        rule: String,
        /// What is wrong with it.
        #[source]
        source: StatsError,
    },
    /// A figure that cannot be computed.
    #[error("{} cannot be computed", .metric.name())]
    Figure {
        /// The figure asked for.
        metric: Metric,
        /// Why.
        #[source]
        source: StatsError,
    },
    /// A figure that cannot be estimated without labels.
    #[error("{finding:?} cannot be estimated without labels")]
    LabelFree {
        /// The finding.
        finding: String,
        /// Why.
        #[source]
        source: StatsError,
    },
    /// A rehearsal that cannot be carried out as it is described.
    #[error("the rehearsal cannot be carried out: {}", .problems.join("; "))]
    Rehearsal {
        /// Everything that is wrong with it.
        problems: Vec<String>,
    },
}
