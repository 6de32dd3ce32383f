use hilum_types::{Digest, Timestamp};

/// Names a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(pub(crate) [u8; 16]);

/// Names a span within its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(pub(crate) [u8; 8]);

impl TraceId {
    /// The trace of a study revision: the same wherever its jobs run. `study_key` is the catalog's random key, from which
    /// the id is made one way.
    pub fn of_study(study_key: &str, revision: u32) -> TraceId {
        TraceId(beginning(&Digest::of(format!("hilum-trace:{study_key}:{revision}").as_bytes())))
    }

    /// A trace of its own.
    pub fn random() -> TraceId {
        TraceId(rand::random())
    }

    /// The span of that name in this trace: the same wherever it is asked for, so that a parent can be named before it ends.
    pub fn span(&self, name: Name, part: &str) -> SpanId {
        let mut bytes = self.0.to_vec();
        bytes.extend_from_slice(format!(":{}:{part}", name.text()).as_bytes());
        SpanId(beginning(&Digest::of(&bytes)))
    }
}

fn beginning<const N: usize>(digest: &Digest) -> [u8; N] {
    let mut id = [0; N];
    for (to, from) in id.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    id
}

/// What a span is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// A study came in until it was complete.
    Study,
    /// The gate was asked about every deployment.
    Evaluate,
    /// A model ran, and its result was recorded.
    Infer,
    /// The gate was asked again, the result encoded, validated and recorded; within [`Name::Infer`].
    Release,
    /// One attempt to hand a result to a destination.
    Deliver,
    /// An HTTP request.
    Request,
}

impl Name {
    /// As it is shown.
    pub fn text(self) -> &'static str {
        match self {
            Name::Study => "study",
            Name::Evaluate => "evaluate",
            Name::Infer => "infer",
            Name::Release => "release",
            Name::Deliver => "deliver",
            Name::Request => "request",
        }
    }
}

/// Everything a span may say: what is not here cannot leave. Texts are names that the site declared, or templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// Declared name of a deployment.
    Deployment(String),
    /// Revision of the study.
    Revision(u32),
    /// How often the job was tried, from 1.
    Attempt(u32),
    /// Method of a request, from a closed list.
    Method(&'static str),
    /// Route template such as `/api/v1/studies/{uid}`, never the address as asked.
    Route(String),
    /// HTTP status.
    Status(u16),
}

/// Something that took time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its trace.
    pub trace: TraceId,
    /// Its name in the trace.
    pub id: SpanId,
    /// The span it belongs to.
    pub parent: Option<SpanId>,
    /// What it is about.
    pub name: Name,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Whether it failed; why is in the log.
    pub failed: bool,
    /// What it says.
    pub attributes: Vec<Attribute>,
}
