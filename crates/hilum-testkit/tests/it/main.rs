//! Phantoms against independent tools, peers over real sockets, demo models against their cards.

mod models;
mod objects;
mod peers;

use hilum_types::{AeTitle, Timestamp};

fn title(text: &str) -> AeTitle {
    text.parse().unwrap()
}

fn morning() -> Timestamp {
    "2026-11-23T09:00:00Z".parse().unwrap()
}

/// Whether an outside tool is here; in CI it must be.
fn has_tool(name: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "{name} is needed in CI");
    if !found {
        println!("skipped: {name} is not installed");
    }
    found
}
