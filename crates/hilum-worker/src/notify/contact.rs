use std::fmt;

/// Whom to tell of alarms, and over what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifyOptions {
    /// Address under which people reach the pages, such as `https://hilum.example.org`; messages link below it.
    pub link_base: Option<String>,
    /// Mail server; without one no e-mail is sent.
    pub smtp: Option<Smtp>,
    /// Everybody who may be told.
    pub contacts: Vec<Contact>,
    /// Names of the contacts for alarms of deployments that name none, and of no deployment: the first is told, the next
    /// ones when nobody answers.
    pub default_contacts: Vec<String>,
}

/// Somebody who may be told of an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Name that plans use.
    pub name: String,
    /// E-mail address.
    pub email: Option<String>,
    /// A program that takes messages.
    pub webhook: Option<Webhook>,
}

/// A program that takes messages as JSON by HTTP POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its address.
    pub url: String,
    /// Key of the HMAC-SHA-256 signature; without one messages are not signed.
    pub secret: Option<Secret>,
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// Sender address of every message.
    pub from: String,
    /// Name to sign in with.
    pub username: Option<String>,
    /// Password to sign in with.
    pub password: Option<Secret>,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SmtpTls {
    /// STARTTLS, and no message without it.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None: for a mail server on the same machine.
    None,
}

/// A text that cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keep a secret.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl NotifyOptions {
    /// Who is told at that level of escalation: of the contacts that the plan names, or of the site's own when it names
    /// none that is configured. The last one stands in for those that do not exist.
    pub(crate) fn contact_for(&self, planned: &[String], level: u32) -> Option<&Contact> {
        let known = |names: &[String]| -> Vec<&Contact> {
            names.iter().filter_map(|name| self.contacts.iter().find(|contact| contact.name == *name)).collect()
        };
        let mut chain = known(planned);
        if chain.is_empty() {
            chain = known(&self.default_contacts);
        }
        let last = chain.len().checked_sub(1)?;
        chain.get((level as usize).min(last)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_contact_is_told_and_the_last_stands_in() {
        let contact = |name: &str| Contact { name: name.into(), email: None, webhook: None };
        let options = NotifyOptions {
            contacts: vec![contact("a"), contact("b"), contact("site")],
            default_contacts: vec!["site".into()],
            ..NotifyOptions::default()
        };
        let told = |planned: &[&str], level| {
            let planned: Vec<String> = planned.iter().map(|name| (*name).to_owned()).collect();
            options.contact_for(&planned, level).map(|contact| contact.name.clone())
        };
        assert_eq!(told(&["a", "b"], 0).as_deref(), Some("a"));
        assert_eq!(told(&["a", "b"], 7).as_deref(), Some("b"));
        assert_eq!(told(&["gone"], 0).as_deref(), Some("site"));
        assert_eq!(told(&[], 1).as_deref(), Some("site"));
        assert_eq!(NotifyOptions::default().contact_for(&[], 0), None);
    }

    #[test]
    fn secrets_do_not_print() {
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }
}
