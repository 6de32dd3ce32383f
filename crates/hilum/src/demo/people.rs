//! The people of the demo: who signs, and who says what is true of a study, over the interface as any program would.

use super::setup::CLASSIFIER;
use anyhow::{Context, Result, ensure};
use hilum_sign::SignatureMeaning;
use hilum_store::Catalog;
use hilum_store::people::{GOVERNANCE, new_user, sign_in};
use hilum_types::{Clock, Digest, Uid};
use serde_json::{Value, json};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Who reads the studies.
pub(crate) const READER: &str = "rita";
/// Who approves for the clinic, and who for the technique.
pub(crate) const CLINICAL: &str = "anna";
pub(crate) const TECHNICAL: &str = "bo";

/// Everybody, with one password that is new with every demo.
pub(crate) struct People {
    pub(crate) password: String,
}

impl People {
    /// Enter them.
    pub(crate) async fn enter(catalog: &dyn Catalog, clock: &dyn Clock) -> Result<People> {
        // Hash maps are keyed by the system's randomness, which is enough for people who do not exist.
        let password = format!("{:016x}", RandomState::new().build_hasher().finish());
        let all = [
            ("gus", "Gus Overney", GOVERNANCE),
            (CLINICAL, "Anna Clinic", "clinical"),
            (TECHNICAL, "Bo Technic", "technical"),
            (READER, "Rita Reader", "radiologist"),
        ];
        for (name, display, role) in all {
            let user = new_user(name, display, vec![role.to_owned()], &password, clock.now()).await?;
            catalog.user_add(&user, "user:gus").await?;
        }
        Ok(People { password })
    }

    /// The two approvals that a step needs.
    pub(crate) async fn approve(&self, catalog: &dyn Catalog, clock: &dyn Clock, record: Digest) -> Result<()> {
        let both = [(CLINICAL, SignatureMeaning::ApprovedClinical), (TECHNICAL, SignatureMeaning::ApprovedTechnical)];
        for (name, meaning) in both {
            let person = sign_in(catalog, name, &self.password, clock.now()).await?;
            person.sign(catalog, record, meaning, None, clock.now()).await?;
        }
        Ok(())
    }
}

/// A reader at their desk.
pub(crate) struct Reader {
    address: SocketAddr,
    token: String,
}

impl Reader {
    /// Sign in, for twelve hours.
    pub(crate) async fn sign_in(address: SocketAddr, password: &str) -> Result<Reader> {
        let (_, session) = post(address, "sessions", "", &json!({ "user": READER, "password": password })).await?;
        let token = session["token"].as_str().context("a session has a token")?.to_owned();
        Ok(Reader { address, token })
    }

    /// Say what they see, before they see what the model said.
    pub(crate) async fn says(&self, study: &Uid, finding: &str, is_there: bool) -> Result<()> {
        let truth = if is_there { "present" } else { "absent" };
        let answer = json!({ "study": study.as_str(), "deployment": CLASSIFIER, "finding": finding, "truth": truth });
        let authorization = format!("Authorization: Bearer {}\r\n", self.token);
        let (status, said) = post(self.address, "assessments", &authorization, &answer).await?;
        ensure!(status == 201, "the answer of a reader was not entered: {said}");
        Ok(())
    }
}

/// One request on a connection of its own: status and JSON.
async fn post(address: SocketAddr, what: &str, header: &str, body: &Value) -> Result<(u16, Value)> {
    let body = body.to_string();
    let head = format!(
        "POST /api/v1/{what} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{header}\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all((head + &body).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).context("and a status")?;
    ensure!(status < 300, "POST {what} was answered {status}: {body}");
    Ok((status, serde_json::from_str(body)?))
}
