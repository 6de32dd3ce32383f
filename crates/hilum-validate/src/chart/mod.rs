//! Charts as inline SVG: no script, no fixed colour, a title and a description in each.
//!
//! Colours come from the classes `c-*` of the page's style sheet, so that both themes and paper have their own.

mod axes;
mod bars;
mod curves;
mod flow;
mod svg;

pub(crate) use bars::{BarScale, five_number_bar, interval_axis, interval_bar};
pub(crate) use curves::{decision_chart, precision_recall_chart, reliability_chart, roc_chart};
pub(crate) use flow::flow_chart;
