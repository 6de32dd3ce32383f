//! What a sender is told (HL7 v2.5.1 section 2.9.2): original mode, one answer a message.

use crate::{Hl7Error, Message};
use hilum_types::Timestamp;

/// Acknowledgement code (table 0008).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// `AA`: the report is durable.
    Accept,
    /// `AE`: the content has to be corrected.
    Error,
    /// `AR`: not taken, for a reason that does not lie in the report.
    Reject,
}

impl Code {
    fn text(self) -> &'static str {
        match self {
            Code::Accept => "AA",
            Code::Error => "AE",
            Code::Reject => "AR",
        }
    }
}

/// The answer to a message, or to something that could not be read as one. What is repeated from it is reduced to
/// printable ASCII without separators.
pub fn acknowledge(message: Option<&Message>, failed: Option<&Hl7Error>, now: Timestamp) -> String {
    let echo = |field: usize, chars_max: usize| {
        let text = message.map(|message| message.header().component(field, 1)).unwrap_or_default();
        let plain = |c: &char| matches!(c, ' '..='~') && !"|^~\\&".contains(*c);
        text.chars().filter(plain).take(chars_max).collect::<String>()
    };
    let (date, time) = now.dicom_date_time();
    let stamp: String = format!("{date}{}", time.split('.').next().unwrap_or_default());
    let (application, facility, control) = (echo(3, 180), echo(4, 180), echo(10, 199));
    let processing = Some(echo(11, 3)).filter(|text| !text.is_empty()).unwrap_or_else(|| "P".to_owned());
    let version = Some(echo(12, 10)).filter(|text| !text.is_empty()).unwrap_or_else(|| "2.5.1".to_owned());
    let code = failed.map_or(Code::Accept, Hl7Error::code).text();
    let mut answer = format!(
        "MSH|^~\\&|HILUM||{application}|{facility}|{stamp}+0000||ACK^R01^ACK|{stamp}-{control}|{processing}|{version}\r\
         MSA|{code}|{control}"
    );
    if let Some(error) = failed {
        let text: String = error.to_string().chars().filter(|c| !"|^~\\&\r\n".contains(*c)).take(200).collect();
        answer += &format!("|{text}\rERR|||{}|E||||{text}", error.condition());
    }
    answer.push('\r');
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_name_the_message_and_the_reason() {
        let now = Timestamp::from_micros(1_795_425_161_000_000);
        let message = Message::parse(b"MSH|^~\\&|RIS|H|||2026||ORU^R01|47\\F\\11|T|2.3").unwrap();
        insta::assert_snapshot!(acknowledge(Some(&message), None, now).replace('\r', "\n"), @r"
        MSH|^~\&|HILUM||RIS|H|20261123091241+0000||ACK^R01^ACK|20261123091241-4711|T|2.3
        MSA|AA|4711
        ");
        insta::assert_snapshot!(acknowledge(None, Some(&Hl7Error::NoHeader), now).replace('\r', "\n"), @r"
        MSH|^~\&|HILUM||||20261123091241+0000||ACK^R01^ACK|20261123091241-|P|2.5.1
        MSA|AR||the message does not begin with a MSH segment and its separators
        ERR|||100|E||||the message does not begin with a MSH segment and its separators
        ");
    }
}
