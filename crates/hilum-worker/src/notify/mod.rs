//! Tells people of alarms, and of changes of deployments whose results they receive: what the catalog's outbox holds is sent
//! by e-mail and webhook to configured contacts, and to nobody else. Alarms that nobody answers are passed on, and the books of every day are looked at, by the clock and from
//! stored state: whatever is restarted when, nothing of it is lost.

mod contact;
mod message;
mod smtp;
mod webhook;

pub use contact::{Contact, NotifyOptions, Secret, Smtp, SmtpTls, Webhook};
pub use message::Message;

use crate::runner::{Context, describe, pause};
use hilum_store::StoreError;
use hilum_store::alarms::{About, Notification, NotificationOutcome};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Longest time until a new message is sent or an alarm passed on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A sender that is silent for this long has died, and its messages are due again: so long may an alarm wait for it.
const HOLD_SECONDS: u32 = 15;

/// How often a sender says that it lives.
const HOLD_EVERY: Duration = Duration::from_secs(5);

/// Longest time one channel may take.
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(30);

/// Messages sent, and alarms taken, at once.
const AT_ONCE: usize = 16;

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

/// Send, pass on and look at the books until told to stop; what is being sent is sent first.
pub(crate) async fn look_after(context: Context, mut stop: watch::Receiver<bool>) {
    let (mut books_done_on, mut sending) = (String::new(), JoinSet::new());
    while !*stop.borrow() {
        if let Err(error) = look(&context, &mut books_done_on, &mut sending).await {
            tracing::error!(error = &error as &dyn std::error::Error, "alarms were not looked after");
        }
        if !pause(&mut stop, LOOK_EVERY).await {
            break;
        }
    }
    while sending.join_next().await.is_some() {}
}

async fn look(context: &Context, books_done_on: &mut String, sending: &mut JoinSet<()>) -> Result<(), StoreError> {
    let now = context.clock.now();
    let n_passed = context.catalog.alarm_escalate_due(now, AT_ONCE as u32).await?;
    if 0 < n_passed {
        tracing::warn!(n_alarms = n_passed, "nobody acknowledged in time; the next contacts are told");
    }
    let today = now.day();
    if *books_done_on != today && context.catalog.books_check_due(now, DAYS_AT_ONCE).await? < DAYS_AT_ONCE {
        *books_done_on = today;
    }
    while sending.try_join_next().is_some() {}
    // A server that does not answer holds up its own message, and nobody else's.
    let n_free = AT_ONCE.saturating_sub(sending.len()) as u32;
    if 0 < n_free {
        for notification in context.catalog.notification_take(now, HOLD_SECONDS, n_free).await? {
            sending.spawn(attempt(context.clone(), notification));
        }
    }
    // Last, and no message waits for it: figures come from the rows until everything is counted.
    if let Err(error) = context.catalog.tally_due(now, FACTS_AT_ONCE).await {
        tracing::error!(error = &error as &dyn std::error::Error, "what was observed before is not counted yet");
    }
    Ok(())
}

/// Send a message that was taken, and say how that ended. What fails here becomes due again by itself.
async fn attempt(context: Context, notification: Notification) {
    let (catalog, key) = (&context.catalog, &notification.key);
    let renew = || async {
        if let Err(error) = catalog.notification_hold(key, HOLD_SECONDS, context.clock.now()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a message could not be held and may be sent twice"
            );
        }
    };
    let ended = async {
        let outcome = held(HOLD_EVERY, renew, send(&context, &notification)).await?;
        catalog.notification_end(key, &outcome, context.clock.now()).await
    };
    if let Err(error) = ended.await {
        let cause = &error as &dyn std::error::Error;
        tracing::error!(error = cause, alarm.code = notification.code(), "an attempt to tell of an alarm has no end");
    }
}

/// Do the work, and say every so often that it goes on. Both go on side by side: each may wait for the catalog, and must
/// not keep what the other one waits for.
async fn held<T, R: Future<Output = ()>>(every: Duration, renew: impl Fn() -> R, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        never = for_ever(every, renew) => match never {},
    }
}

async fn for_ever<R: Future<Output = ()>>(every: Duration, renew: impl Fn() -> R) -> Infallible {
    loop {
        tokio::time::sleep(every).await;
        renew().await;
    }
}

/// One attempt at one message, over every channel of its contacts that has not taken it yet.
async fn send(context: &Context, notification: &Notification) -> Result<NotificationOutcome, StoreError> {
    let options = &context.notify;
    let (told, one_of_many) = match &notification.about {
        About::Alarm(_) => {
            let contact = options.contact_for(&notification.contacts, notification.level);
            if contact.is_none() {
                tracing::warn!(alarm.code = notification.code(), "an alarm was raised and no contact is configured");
            }
            (contact.into_iter().collect(), false)
        }
        About::Change(notice) => {
            let told = options.contacts_of(&notice.destinations);
            if told.is_empty() {
                tracing::info!(
                    deployment = notice.deployment,
                    destinations = notice.destinations.join(", "),
                    "a deployment changed and its destinations name no contact"
                );
            }
            (told, true)
        }
    };
    if told.is_empty() {
        return Ok(NotificationOutcome::Nobody);
    }
    let message = Message::of(notification, options.link_base.as_deref());
    // Side by side: a server that does not answer holds up its own contact only.
    let mut telling = JoinSet::new();
    for contact in told {
        let place = if one_of_many { format!("{}/", contact.name) } else { String::new() };
        let (context, contact, message, notification) =
            (context.clone(), contact.clone(), message.clone(), notification.clone());
        telling.spawn(async move { tell(&context, &notification, &contact, &place, &message).await });
    }
    let mut refused = Refused::default();
    for one in telling.join_all().await {
        let one = one?;
        refused.later.extend(one.later);
        refused.never.extend(one.never);
    }
    if refused.n() == 0 {
        return Ok(NotificationOutcome::Sent);
    }
    let errors = [refused.never.as_slice(), refused.later.as_slice()].concat().join("; ");
    tracing::warn!(attempt = notification.attempts, errors, "a contact was not told");
    let due_at = context.options.retry.next(notification.attempts, 0.0, context.clock.now());
    Ok(match due_at {
        Some(due_at) if !refused.later.is_empty() => NotificationOutcome::Retry { due_at, error: errors },
        _ => NotificationOutcome::Dead { error: errors },
    })
}

/// One message to one contact, over each of its channels that has not taken it yet; `place` is what is put before a
/// channel in the list of those that have.
async fn tell(
    context: &Context,
    notification: &Notification,
    contact: &Contact,
    place: &str,
    message: &Message,
) -> Result<Refused, StoreError> {
    let mut refused = Refused::default();
    for channel in ["email", "webhook"] {
        let place = format!("{place}{channel}");
        if notification.channels_done.contains(&place) {
            continue;
        }
        match over(context, contact, channel, message).await {
            None => {}
            Some(Sent::Taken) => context.catalog.notification_channel_done(&notification.key, &place).await?,
            Some(Sent::Later(error)) => refused.later.push(format!("{place}: {error}")),
            Some(Sent::Never(error)) => refused.never.push(format!("{place}: {error}")),
        }
    }
    if refused.n() == 0 {
        tracing::info!(contact = contact.name, alarm.code = notification.code(), "a contact was told");
    }
    Ok(refused)
}

/// Channels that did not take a message, each with the reason.
#[derive(Default)]
struct Refused {
    later: Vec<String>,
    never: Vec<String>,
}

impl Refused {
    fn n(&self) -> usize {
        self.later.len() + self.never.len()
    }
}

/// One message over one channel; `None`: the contact has no such channel.
async fn over(context: &Context, contact: &Contact, channel: &str, message: &Message) -> Option<Sent> {
    let sending = async {
        match (channel, &contact.email, &contact.webhook, &context.notify.smtp) {
            ("email", Some(to), _, Some(server)) => Some(smtp::send(server, to, message).await),
            ("email", Some(_), _, None) => Some(Sent::Never("no [notify.smtp] is configured".to_owned())),
            ("webhook", _, Some(hook), _) => Some(webhook::send(hook, message, context.clock.now()).await),
            _ => None,
        }
    };
    match tokio::time::timeout(CHANNEL_TIMEOUT, sending).await {
        Ok(sent) => sent,
        Err(_) => Some(Sent::Later(format!("no answer within {} s", CHANNEL_TIMEOUT.as_secs()))),
    }
}

/// The error with its causes, without what a peer may have put into it beyond 300 characters.
fn short(error: &dyn std::error::Error) -> String {
    describe(error).chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MV-31: a hold is short, so that an alarm does not wait for a sender that died; one that lives renews it.
    #[tokio::test]
    async fn a_sender_that_works_renews_its_hold() {
        let (renewed, mut seen) = watch::channel(0);
        let renew = || async { renewed.send_modify(|n| *n += 1) };
        // On a busy machine a fourth may come before the third is seen.
        let work = async { 3 <= *seen.wait_for(|n| 3 <= *n).await.unwrap() };
        assert!(held(Duration::from_millis(1), renew, work).await);
        let never = || async { panic!("what is done at once is not renewed") };
        assert_eq!(held(Duration::from_secs(60), never, async { 7 }).await, 7);
        assert!(HOLD_EVERY.as_secs() * 2 < u64::from(HOLD_SECONDS) && HOLD_SECONDS <= 15);
    }
}
