use crate::{BlobStore, ErrorKind};
use bytes::Bytes;
use hilum_types::Digest;
use tokio::io::AsyncReadExt;

/// Everything a blob store promises.
///
/// # Panics
/// When a promise does not hold.
pub async fn blobs(store: &impl BlobStore) {
    let large: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    for bytes in [Bytes::new(), Bytes::from_static(b"one"), Bytes::from(large)] {
        let digest = Digest::of(&bytes);
        assert!(!store.blob_exists(&digest).await.unwrap());
        for _ in 0..2 {
            let kept = store.blob_put(bytes.clone()).await.unwrap();
            assert_eq!((kept.digest, kept.content, kept.size), (digest, digest, bytes.len() as u64));
        }
        assert!(store.blob_exists(&digest).await.unwrap());
        assert_eq!(store.blob_get(&digest).await.unwrap(), bytes);
        let mut reader = store.blob_open(&digest).await.unwrap();
        assert_eq!(reader.size(), bytes.len() as u64);
        let mut streamed = vec![];
        reader.read_to_end(&mut streamed).await.unwrap();
        assert_eq!(streamed, bytes);
    }
    let unknown = Digest::of(b"never stored");
    assert!(!store.blob_exists(&unknown).await.unwrap());
    assert_eq!(store.blob_get(&unknown).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(store.blob_open(&unknown).await.map(|_| ()).unwrap_err().kind(), ErrorKind::Corrupt);
}
