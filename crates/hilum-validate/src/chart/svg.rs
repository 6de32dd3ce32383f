use std::fmt::Write;

/// A drawing in the making. Lengths are in units of the view box, which the page scales to its column.
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// How text is placed at its point.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Svg {
        Svg { width, height, body: String::new() }
    }

    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.put(format_args!(
            r#"<line class="{class}" x1="{}" y1="{}" x2="{}" y2="{}"/>"#,
            at(x1),
            at(y1),
            at(x2),
            at(y2)
        ));
    }

    pub(super) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), radius: f64) {
        self.put(format_args!(
            r#"<rect class="{class}" x="{}" y="{}" width="{}" height="{}" rx="{}"/>"#,
            at(x),
            at(y),
            at(width.max(0.0)),
            at(height.max(0.0)),
            at(radius)
        ));
    }

    pub(super) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        self.put(format_args!(r#"<circle class="{class}" cx="{}" cy="{}" r="{}"/>"#, at(x), at(y), at(radius)));
    }

    /// A line through points.
    pub(super) fn polyline(&mut self, class: &str, points: &[(f64, f64)]) {
        self.points("polyline", class, points);
    }

    /// An area bounded by points.
    pub(super) fn polygon(&mut self, class: &str, points: &[(f64, f64)]) {
        self.points("polygon", class, points);
    }

    fn points(&mut self, element: &str, class: &str, points: &[(f64, f64)]) {
        let list: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", at(x), at(y))).collect();
        self.put(format_args!(r#"<{element} class="{class}" points="{}"/>"#, list.join(" ")));
    }

    pub(super) fn text(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), text: &str) {
        self.put(format_args!(
            r#"<text class="{class}" x="{}" y="{}" text-anchor="{}">{}</text>"#,
            at(x),
            at(y),
            anchor.name(),
            escaped(text)
        ));
    }

    /// Text that reads upwards, for the vertical axis.
    pub(super) fn upward_text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        let (x, y) = (at(x), at(y));
        self.put(format_args!(
            r#"<text class="{class}" x="{x}" y="{y}" text-anchor="middle" transform="rotate(-90 {x} {y})">{}</text>"#,
            escaped(text)
        ));
    }

    fn put(&mut self, piece: std::fmt::Arguments<'_>) {
        self.body.write_fmt(piece).expect("writing to a string cannot fail");
    }

    /// The whole drawing. `id` must be unique on the page.
    pub(super) fn finish(self, id: &str, title: &str, description: &str) -> String {
        let Svg { width, height, body } = self;
        let (title, description) = (escaped(title), escaped(description));
        format!(
            r#"<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="{id}-title {id}-description"><title id="{id}-title">{title}</title><desc id="{id}-description">{description}</desc>{body}</svg>"#,
            at(width),
            at(height)
        )
    }

    /// A drawing that says nothing the text beside it does not.
    pub(super) fn finish_decorative(self, class: &str) -> String {
        let (width, height) = (at(self.width), at(self.height));
        format!(r#"<svg class="{class}" viewBox="0 0 {width} {height}" aria-hidden="true">{}</svg>"#, self.body)
    }
}

/// Two decimals are finer than any screen; no minus before zero, so that the same report has the same bytes.
fn at(length: f64) -> String {
    let text = format!("{length:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
