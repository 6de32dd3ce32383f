use super::material::{all_is_well, at, open};
use crate::records::BlobRow;
use hilum_types::Digest;

pub(super) async fn objects_of_reference_sets_are_named(url: String) {
    let catalog = open(&url).await;
    let (set, who) = (Digest::of(b"set"), "user:anna");
    let object = |text: &str| BlobRow { blob: Digest::of(text.as_bytes()), size: text.len() as u64 };
    let first: Vec<BlobRow> = (0..700).map(|n| object(&format!("image {n}"))).collect();
    catalog.reference_objects_keep(&set, &first, who, at(1)).await.unwrap();
    let entries = catalog.audit_page(0, 100).await.unwrap().len();
    catalog.reference_objects_keep(&set, &first, who, at(2)).await.unwrap();
    assert_eq!(catalog.audit_page(0, 100).await.unwrap().len(), entries, "the same objects again change nothing");
    catalog.reference_objects_keep(&set, &[object("image 0"), object("late")], who, at(3)).await.unwrap();
    assert_eq!(catalog.blob_rows(None, 1000).await.unwrap().len(), 701);
    let last = catalog.audit_page(0, 100).await.unwrap().pop().unwrap();
    assert!(last.event.detail.contains("\"n_new\":1"), "{}", last.event.detail);
    all_is_well(&catalog).await;
}

pub(super) async fn uses_of_reference_sets_are_listed(url: String) {
    let catalog = open(&url).await;
    let (set, other) = (Digest::of(b"set"), Digest::of(b"other"));
    let (protocol, package) = (Digest::of(b"protocol"), Digest::of(b"package"));
    assert_eq!(catalog.reference_use_list(&set).await.unwrap(), []);
    for (set, n) in [(set, 1), (other, 2), (set, 3)] {
        catalog.reference_use(&set, &protocol, &package, "user:anna", at(n)).await.unwrap();
    }
    let uses = catalog.reference_use_list(&set).await.unwrap();
    let told: Vec<_> = uses.iter().map(|used| (used.number, used.used_at)).collect();
    assert_eq!(told, [(1, at(1)), (2, at(3))]);
    assert!(uses.iter().all(|used| used.protocol == protocol && used.package == package && used.actor == "user:anna"));
    all_is_well(&catalog).await;
}
