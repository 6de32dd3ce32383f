//! Serves the page of one deployment over twelve made-up weeks, to look at it:
//! `cargo run --release -p hilum-http --example timeline`.

#[path = "../tests/it/house.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod house;
#[path = "../tests/it/object.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod object;
#[path = "../tests/it/story.rs"]
mod story;

use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let house = house::House::new().await;
    let changed = story::weeks(&house, 12, 40).await;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/deployments/{}?since={changed}", listener.local_addr()?, story::NAME);
    hilum_http::serve(listener, house.router.clone(), 64, std::future::pending()).await;
    Ok(())
}
