use std::collections::BTreeMap;
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
    /// By name of a destination: the names of the contacts that are told when a deployment changes whose results it
    /// receives.
    pub destinations: BTreeMap<String, Vec<String>>,
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
    /// Who is told of a change of a deployment that delivers to `destinations`: each contact once, in the order of the
    /// destinations.
    pub(crate) fn contacts_of(&self, destinations: &[String]) -> Vec<&Contact> {
        let named = destinations.iter().filter_map(|name| self.destinations.get(name)).flatten();
        let mut told: Vec<&Contact> = Vec::new();
        for name in named {
            let contact = self.contacts.iter().find(|contact| contact.name == *name);
            if let Some(contact) = contact.filter(|contact| !told.iter().any(|known| known.name == contact.name)) {
                told.push(contact);
            }
        }
        told
    }

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
    fn a_contact_of_two_destinations_is_told_once() {
        let contact = |name: &str| Contact { name: name.into(), email: None, webhook: None };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let options = NotifyOptions {
            contacts: vec![contact("a"), contact("b")],
            destinations: BTreeMap::from([
                ("pacs".into(), names(&["a"])),
                ("ris".into(), names(&["b", "gone", "a"])),
                ("vna".into(), names(&["b"])),
            ]),
            ..NotifyOptions::default()
        };
        let told = |destinations: &[&str]| -> Vec<String> {
            options.contacts_of(&names(destinations)).iter().map(|contact| contact.name.clone()).collect()
        };
        assert_eq!(told(&["ris", "pacs"]), ["b", "a"]);
        assert_eq!(told(&["pacs"]), ["a"]);
        assert_eq!(told(&["unknown"]), [""; 0]);
    }

    #[test]
    fn secrets_do_not_print() {
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }
}
