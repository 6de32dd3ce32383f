//! Tells people of alarms: what the catalog's outbox holds is sent by e-mail and webhook to configured contacts, and to
//! nobody else. Alarms that nobody answers are passed on, and the books of every day are looked at, by the clock and from
//! stored state: whatever is restarted when, nothing of it is lost.

mod contact;
mod message;
mod smtp;
mod webhook;

pub use contact::{Contact, NotifyOptions, Secret, Smtp, SmtpTls, Webhook};
pub use message::Message;

use crate::runner::{Context, describe, pause};
use hilum_store::StoreError;
use hilum_store::alarms::{Notification, NotificationOutcome};
use std::time::Duration;
use tokio::sync::watch;

/// Longest time until a new message is sent or an alarm passed on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A sender that is silent for this long has died, and its messages are due again. Longer than both channels may take.
const HOLD_SECONDS: u32 = 120;

/// Longest time one channel may take.
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(30);

/// Messages and alarms taken at once.
const AT_ONCE: u32 = 16;

/// Days of books looked at in one go.
const DAYS_AT_ONCE: u32 = 31;

/// Facts from before there were counts that are counted in one go: other acts wait for it.
const FACTS_AT_ONCE: u32 = 500;

/// How one channel took a message.
#[derive(Debug)]
pub(crate) enum Sent {
    Taken,
    /// Try again.
    Later(String),
    /// It will never be taken like this.
    Never(String),
}

/// Send, pass on and look at the books until told to stop.
pub(crate) async fn look_after(context: Context, mut stop: watch::Receiver<bool>) {
    let mut books_done_on = String::new();
    while !*stop.borrow() {
        if let Err(error) = look(&context, &mut books_done_on).await {
            tracing::error!(error = &error as &dyn std::error::Error, "alarms were not looked after");
        }
        if !pause(&mut stop, LOOK_EVERY).await {
            return;
        }
    }
}

async fn look(context: &Context, books_done_on: &mut String) -> Result<(), StoreError> {
    let now = context.clock.now();
    let n_passed = context.catalog.alarm_escalate_due(now, AT_ONCE).await?;
    if 0 < n_passed {
        tracing::warn!(n_alarms = n_passed, "nobody acknowledged in time; the next contacts are told");
    }
    let today = now.day();
    if *books_done_on != today && context.catalog.books_check_due(now, DAYS_AT_ONCE).await? < DAYS_AT_ONCE {
        *books_done_on = today;
    }
    context.catalog.tally_due(now, FACTS_AT_ONCE).await?;
    for notification in context.catalog.notification_take(now, HOLD_SECONDS, AT_ONCE).await? {
        let outcome = send(context, &notification).await?;
        context.catalog.notification_end(&notification.key, &outcome, context.clock.now()).await?;
    }
    Ok(())
}

/// One attempt at one message, over every channel of its contact that has not taken it yet.
async fn send(context: &Context, notification: &Notification) -> Result<NotificationOutcome, StoreError> {
    let options = &context.notify;
    let Some(contact) = options.contact_for(&notification.contacts, notification.level) else {
        tracing::warn!(alarm.code = notification.alarm.code, "an alarm was raised and no contact is configured");
        return Ok(NotificationOutcome::Nobody);
    };
    let message = Message::of(notification, options.link_base.as_deref());
    let (mut later, mut never) = (Vec::new(), Vec::new());
    for channel in ["email", "webhook"] {
        if notification.channels_done.iter().any(|done| done == channel) {
            continue;
        }
        let sending = async {
            match (channel, &contact.email, &contact.webhook, &options.smtp) {
                ("email", Some(to), _, Some(server)) => Some(smtp::send(server, to, &message).await),
                ("email", Some(_), _, None) => Some(Sent::Never("no [notify.smtp] is configured".to_owned())),
                ("webhook", _, Some(hook), _) => Some(webhook::send(hook, &message, context.clock.now()).await),
                _ => None,
            }
        };
        let sent = match tokio::time::timeout(CHANNEL_TIMEOUT, sending).await {
            Ok(sent) => sent,
            Err(_) => Some(Sent::Later(format!("no answer within {} s", CHANNEL_TIMEOUT.as_secs()))),
        };
        match sent {
            None => {}
            Some(Sent::Taken) => context.catalog.notification_channel_done(&notification.key, channel).await?,
            Some(Sent::Later(error)) => later.push(format!("{channel}: {error}")),
            Some(Sent::Never(error)) => never.push(format!("{channel}: {error}")),
        }
    }
    let errors = [never.as_slice(), later.as_slice()].concat().join("; ");
    if errors.is_empty() {
        tracing::info!(contact = contact.name, alarm.code = notification.alarm.code, "a contact was told of an alarm");
        return Ok(NotificationOutcome::Sent);
    }
    tracing::warn!(contact = contact.name, attempt = notification.attempts, errors, "a contact was not told");
    let due_at = context.options.retry.next(notification.attempts, 0.0, context.clock.now());
    Ok(match due_at {
        Some(due_at) if !later.is_empty() => NotificationOutcome::Retry { due_at, error: errors },
        _ => NotificationOutcome::Dead { error: errors },
    })
}

/// The error with its causes, without what a peer may have put into it beyond 300 characters.
fn short(error: &dyn std::error::Error) -> String {
    describe(error).chars().filter(|c| !c.is_control()).take(300).collect()
}
