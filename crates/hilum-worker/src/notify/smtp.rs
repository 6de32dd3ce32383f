//! E-mail (RFC 5321, 5322). A message that is sent twice, because the sender died in between, has the same Message-ID.

use super::{CHANNEL_TIMEOUT, Message, Sent, Smtp, SmtpTls, short};
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

pub(super) async fn send(server: &Smtp, to: &str, message: &Message) -> Sent {
    let mail = match mail(server, to, message) {
        Ok(mail) => mail,
        Err(problem) => return Sent::Never(problem),
    };
    let transport = match transport(server) {
        Ok(transport) => transport,
        Err(problem) => return Sent::Never(problem),
    };
    match transport.send(mail).await {
        Ok(_) => Sent::Taken,
        Err(error) if error.is_permanent() => Sent::Never(short(&error)),
        Err(error) => Sent::Later(short(&error)),
    }
}

fn mail(server: &Smtp, to: &str, message: &Message) -> Result<lettre::Message, String> {
    let address = |text: &str| text.parse::<Mailbox>().map_err(|error| format!("an address cannot be used: {error}"));
    // RFC 3834: no answering machine shall answer.
    let generated = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    lettre::Message::builder()
        .from(address(&server.from)?)
        .to(address(to)?)
        .subject(message.subject.clone())
        .message_id(Some(format!("<{}@hilum.invalid>", message.key)))
        .raw_header(generated)
        .header(ContentType::TEXT_PLAIN)
        .body(message.text.clone())
        .map_err(|error| format!("the message cannot be written: {error}"))
}

fn transport(server: &Smtp) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let parameters = || {
        let made = TlsParameters::new(server.host.clone());
        made.map_err(|error| format!("TLS cannot be used: {}", short(&error)))
    };
    let tls = match server.tls {
        SmtpTls::StartTls => Tls::Required(parameters()?),
        SmtpTls::Implicit => Tls::Wrapper(parameters()?),
        SmtpTls::None => Tls::None,
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
        .port(server.port)
        .tls(tls)
        .timeout(Some(CHANNEL_TIMEOUT));
    Ok(match (&server.username, &server.password) {
        (Some(name), Some(password)) => {
            builder.credentials(Credentials::new(name.clone(), password.reveal().to_owned())).build()
        }
        _ => builder.build(),
    })
}
