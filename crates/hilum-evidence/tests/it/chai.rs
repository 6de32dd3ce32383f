//! The CHAI card against its outline, and against the published schema where that is at hand.
//!
//! `outline.txt` is our own table of the elements of Applied Model Card v0.2, in their order, with how often each may
//! occur. The schema itself is not kept here; `HILUM_CHAI_XSD` may name a copy (https://mc.chai.org/v0.2/schema.xsd, with
//! the import of the XML signature schema taken out), and `peers.rs` then validates against it.

use crate::fixture::{card_file, site};

const OUTLINE: &str = include_str!("outline.txt");

/// A line of the outline: depth, name, least and most occurrences.
fn outline() -> Vec<(usize, &'static str, usize, usize)> {
    let line = |line: &'static str| {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let (least, most) = match words.next() {
            None => (1, 1),
            Some("?") => (0, 1),
            Some("*") => (0, usize::MAX),
            Some(_) => (1, usize::MAX),
        };
        (depth, name, least, most)
    };
    OUTLINE.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')).map(line).collect()
}

/// Names of elements in document order, each with its depth and whether it holds text.
fn elements(xml: &str) -> Vec<(usize, String)> {
    let (mut found, mut depth, mut left) = (Vec::new(), 0usize, xml);
    while let Some(start) = left.find('<') {
        let end = start + left[start..].find('>').unwrap();
        let tag = &left[start + 1..end];
        left = &left[end + 1..];
        if tag.starts_with('?') || tag.starts_with('!') {
            continue;
        }
        if tag.starts_with('/') {
            depth -= 1;
        } else {
            found.push((depth, tag.split_whitespace().next().unwrap().to_owned()));
            depth += 1;
        }
    }
    assert_eq!(depth, 0, "every element is closed");
    found
}

/// Take the elements of one level in the order of the outline.
fn take(outline: &[(usize, &str, usize, usize)], found: &[(usize, String)], at: &mut usize) {
    let depth = outline[0].0;
    let mut place = 0;
    while place < outline.len() {
        let (_, name, least, most) = outline[place];
        let children = outline[place + 1..].iter().take_while(|line| depth < line.0).count();
        let mut n = 0;
        while *at < found.len() && found[*at] == (depth, name.to_owned()) && n < most {
            *at += 1;
            n += 1;
            if 0 < children {
                take(&outline[place + 1..=place + children], found, at);
            }
        }
        assert!(least <= n, "{name} occurs {n} times before {:?}", found.get(*at));
        place += 1 + children;
    }
}

#[test]
fn the_card_has_every_element_in_its_order() {
    let xml = card_file(&site(), "card.chai.xml");
    let found = elements(&xml);
    let mut at = 0;
    take(&outline(), &found, &mut at);
    assert_eq!(found.get(at), None, "an element that the outline does not have");
    assert!(found.len() > 60);
}
