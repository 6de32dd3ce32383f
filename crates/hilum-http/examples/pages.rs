//! Serves the pages over a made-up day, to look at them: `cargo run --release -p hilum-http --example pages -- full`.
//! The other day is `empty`.

#[path = "../tests/it/house.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod house;
#[path = "../tests/it/object.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod object;

use hilum_store::records::DeliveryOutcome;
use hilum_types::{Disposition, Presence, Reason};
use house::{House, not_eligible};
use object::Object;
use tokio::net::TcpListener;

const STUDIES: [(&str, &str); 6] = [
    ("DX", "Chest PA and lateral"),
    ("DX", "Thorax a.p. liegend, Intensivstation"),
    ("CR", "Chest PA"),
    ("DX", "Radiographie du thorax de face debout"),
    ("CT", "CT head without contrast"),
    ("DX", ""),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let house = House::new().await;
    if std::env::args().nth(1).as_deref() != Some("empty") {
        a_day(&house).await?;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    hilum_http::serve(listener, house.router.clone(), 64, std::future::pending()).await;
    Ok(())
}

async fn a_day(house: &House) -> Result<(), Box<dyn std::error::Error>> {
    house.deploy(&[("chest-xr", "active"), ("chest-xr-next", "shadow"), ("hand-age", "active")]).await;
    for n in 1..=14u32 {
        let (modality, description) = STUDIES[n as usize % STUDIES.len()];
        let n_images = if modality == "CT" { 24 } else { 1 + n % 2 };
        let objects = (1..=n_images).map(|number| {
            let mut object = Object::new(n, number);
            (object.modality, object.description) = (modality, description.to_owned());
            object.accession = if n == 5 { String::new() } else { format!("2026-{:06}", 314_000 + n * 37) };
            object
        });
        house.stow(&objects.collect::<Vec<_>>()).await;
        if n == 13 {
            house
                .catalog
                .deployment_suspend("hand-age", "user:M. Physicist", "PPV fell below its limit at site B", house.now())
                .await?;
        }
        if n == 14 {
            break;
        }
        house.complete().await;
        if n == 12 {
            continue;
        }
        let hand = if n == 13 {
            Disposition::Withheld(Reason::about(
                "suspended",
                "hand-age was suspended by user:M. Physicist: PPV fell below its limit at site B",
                "suspension",
                "2026-11-23",
            ))
        } else {
            not_eligible()
        };
        let ends = [
            (
                "chest-xr",
                (modality == "CT").then(|| {
                    Disposition::NotEligible(Reason::about(
                        "intended-use.modality",
                        "modality is CT, the model takes DX or CR",
                        "Modality",
                        "CT",
                    ))
                }),
            ),
            ("chest-xr-next", (modality == "CT").then(not_eligible)),
            ("hand-age", Some(hand)),
        ];
        house.evaluate(&ends).await;
        analyse(house, n).await?;
    }
    house
        .catalog
        .alarm_raise(
            "instance-conflict",
            "other bytes came under the identifier of an image that is held; both are kept, the first is used",
            None,
            None,
            house.now(),
        )
        .await?;
    let junk = house::stow_request("/dicom-web/studies", &[b"not DICOM".to_vec()]);
    house.send(junk).await;
    Ok(())
}

/// Two models wait; what becomes of them depends on the number of the study.
async fn analyse(house: &House, n: u32) -> Result<(), Box<dyn std::error::Error>> {
    let queued = hilum_store::JobFilter {
        kinds: vec![hilum_store::JobKind::Infer],
        states: vec![hilum_store::JobState::Queued],
        ..Default::default()
    };
    if n == 13 {
        house.lease(hilum_store::JobKind::Infer).await;
        return Ok(());
    }
    while let Some(next) = house.catalog.job_list(&queued, 100).await?.pop() {
        let shadow = next.deployment.as_deref() == Some("chest-xr-next");
        if n == 7 && !shadow {
            let Some(job) = house.lease(hilum_store::JobKind::Infer).await else { break };
            let failed = Reason::new("inference.deadline", "the model did not answer within 60 s");
            house.catalog.job_dead(&job.lease(), &failed, house.now()).await?;
            continue;
        }
        house.infer(if n % 3 == 1 { Presence::Present } else { Presence::Absent }).await;
    }
    while house
        .deliver(if n == 10 {
            DeliveryOutcome::Dead { error: "given up after 20 attempts: connection refused".into() }
        } else {
            DeliveryOutcome::Delivered
        })
        .await
    {}
    Ok(())
}
