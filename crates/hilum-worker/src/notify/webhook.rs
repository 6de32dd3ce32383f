//! Webhooks: JSON by HTTP POST, signed, with an idempotency key, so that a receiver can trust it and take it once.

use super::{CHANNEL_TIMEOUT, Message, Sent, Webhook, short};
use hilum_types::Timestamp;
use hmac::{Hmac, Mac};
use reqwest::redirect::Policy;
use sha2::Sha256;

/// Header of the signature: `t=SECONDS,v1=HEX`, HMAC-SHA-256 over `SECONDS.BODY`.
const SIGNATURE: &str = "Hilum-Signature";

pub(super) async fn send(hook: &Webhook, message: &Message, now: Timestamp) -> Sent {
    let body = message.json.to_string();
    // A redirect would lead to an address that nobody configured.
    let client = reqwest::Client::builder().timeout(CHANNEL_TIMEOUT).redirect(Policy::none()).build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return Sent::Never(format!("no HTTP client: {}", short(&error))),
    };
    let mut request =
        client.post(&hook.url).header("Content-Type", "application/json").header("Idempotency-Key", &message.key);
    if let Some(secret) = &hook.secret {
        request = request.header(SIGNATURE, signature(secret.reveal().as_bytes(), now, &body));
    }
    match request.body(body).send().await {
        // The address is configuration, but it may hold a password.
        Err(error) => Sent::Later(short(&error.without_url())),
        Ok(response) => match response.status().as_u16() {
            200..=299 => Sent::Taken,
            code @ (408 | 425 | 429 | 500..=599) => Sent::Later(format!("HTTP status {code}")),
            code => Sent::Never(format!("HTTP status {code}")),
        },
    }
}

fn signature(secret: &[u8], now: Timestamp, body: &str) -> String {
    let seconds = now.micros().div_euclid(1_000_000);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(format!("{seconds}.{body}").as_bytes());
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by `openssl dgst -sha256 -hmac key` over `1795424400.{"a":1}`.
    #[test]
    fn the_signature_is_that_of_openssl() {
        let now = Timestamp::from_micros(1_795_424_400_000_000);
        assert_eq!(signature(b"key", now, r#"{"a":1}"#), format!("t=1795424400,v1={}", EXPECTED));
    }

    const EXPECTED: &str = "3666e44a0cab2fd3cc0abe6a6ab93a5e31fae72e6f9e38324cb76506e697df40";
}
