use hilum_store::conformance;
use hilum_store::testing::PostgresCluster;
use hilum_store::{BlobOptions, CatalogOptions, ErrorKind, LocalBlobs, open};
use std::cell::Cell;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_catalog() {
    let folder = tempfile::tempdir().unwrap();
    let n = Cell::new(0);
    conformance::catalog(async || {
        n.set(n.get() + 1);
        format!("sqlite:{}", folder.path().join(format!("{}.db", n.get())).display())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_catalog() {
    let Some(cluster) = PostgresCluster::start() else { return };
    conformance::catalog(async || cluster.database()).await;
    refuses_an_unsafe_server(&cluster).await;
    comes_back_after_the_server(&cluster).await;
}

/// A server that acknowledges a commit before it is on disk is refused at start-up.
async fn refuses_an_unsafe_server(cluster: &PostgresCluster) {
    let url = format!("{}&options=-c%20synchronous_commit%3Doff", cluster.database());
    let refused = open(&url, &CatalogOptions::default()).await.map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("synchronous_commit = off"), "{refused}");
}

/// Promise R6: while the server is gone acts say "unavailable"; after it is back they work without a restart.
async fn comes_back_after_the_server(cluster: &PostgresCluster) {
    let catalog = open(&cluster.database(), &CatalogOptions::default()).await.unwrap();
    cluster.kill();
    let gone = catalog.ping().await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Unavailable, "{gone:?}");
    cluster.resume();
    // Each broken connection of the pool may be found out once.
    let mut back = catalog.ping().await;
    for _ in 0..CatalogOptions::default().n_connections {
        if back.is_ok() {
            break;
        }
        back = catalog.ping().await;
    }
    back.unwrap();
}

#[tokio::test]
async fn local_blobs() {
    let folder = tempfile::tempdir().unwrap();
    conformance::blobs(&LocalBlobs::open(folder.path(), &BlobOptions { reserve_bytes: 0 }).unwrap()).await;
}

#[tokio::test]
async fn addresses_that_are_none_are_refused() {
    for url in ["", "mysql://x", "postgres://[", "/var/lib/x.db"] {
        assert!(open(url, &CatalogOptions::default()).await.is_err(), "{url}");
    }
}
