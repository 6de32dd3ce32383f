use crate::house::{House, stow_request};
use crate::object::Object;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let house = House::new().await;
    for address in ["/", "/api/v1/health/live", "/nothing", "/metrics"] {
        let request = Request::get(address).header(header::HOST, "localhost").body(Body::empty()).unwrap();
        let response = house.send(request).await;
        let value =
            |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        let policy = value("content-security-policy");
        assert!(
            policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"),
            "{address}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(
            [value("x-content-type-options"), value("referrer-policy"), value("cache-control")],
            ["nosniff", "no-referrer", "no-store"],
            "{address}"
        );
    }
}

#[tokio::test]
async fn pages_need_no_inline_script_or_style() {
    let house = House::new().await;
    for address in ["/", "/deployments", "/deliveries", "/system"] {
        let page = house.page(address).await;
        assert!(!page.contains("style=") && !page.contains("<style") && !page.contains(" onclick"), "{address}");
        for script in page.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/assets/hilum-"), "{address}");
        }
        let style = page.split("href=\"/assets/").nth(1).unwrap().split('"').next().unwrap();
        let (status, _) = house.get(&format!("/assets/{style}")).await;
        assert_eq!(status, StatusCode::OK);
    }
}

#[tokio::test]
async fn foreign_hosts_and_cross_site_acts_are_refused() {
    let house = House::new().await;
    let with = |method: Method, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri("/find");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.header("content-type", "application/x-www-form-urlencoded").body(Body::from("accession=x")).unwrap()
    };
    let local = ("host", "127.0.0.1:8042");
    for (request, status) in [
        (with(Method::POST, &[local]), 200),
        (with(Method::POST, &[local, ("sec-fetch-site", "same-origin")]), 200),
        (with(Method::POST, &[local, ("sec-fetch-site", "cross-site")]), 403),
        (with(Method::POST, &[local, ("sec-fetch-site", "same-site")]), 403),
        (with(Method::POST, &[local, ("origin", "http://127.0.0.1:8042")]), 200),
        (with(Method::POST, &[local, ("origin", "http://127.0.0.1:9999")]), 403),
        (with(Method::POST, &[local, ("origin", "null")]), 403),
        (with(Method::POST, &[("host", "attacker.example")]), 421),
        (with(Method::POST, &[("host", "localhost.attacker.example:8042")]), 421),
        (with(Method::POST, &[]), 421),
        (with(Method::PUT, &[local]), 405),
    ] {
        let headers = request.headers().clone();
        assert_eq!(house.send(request).await.status().as_u16(), status, "{headers:?}");
    }
    let mut request = stow_request("/dicom-web/studies", &[Object::new(1, 1).file()]);
    request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(house.send(request).await.status(), StatusCode::FORBIDDEN);
}

/// Text from an object is text on the page, wherever it stands.
#[tokio::test]
async fn text_from_objects_is_escaped() {
    let house = House::new().await;
    let mut object = Object::new(1, 1);
    object.patient_name = "<svg onload=alert(1)>".into();
    object.description = "\"><script>alert(2)</script>".into();
    object.accession = "'><img src=x>".into();
    house.stow(&[object]).await;
    let key = house.json("/api/v1/studies").await["studies"][0]["key"].as_str().unwrap().to_owned();
    let found = house.post_form("/find", "accession=%3Cimg+src%3Dx+onerror%3D1%3E").await;
    let found = http_body_util::BodyExt::collect(found.into_body()).await.unwrap().to_bytes();
    for page in [
        house.page("/").await,
        house.page(&format!("/studies/{key}")).await,
        String::from_utf8_lossy(&found).into_owned(),
    ] {
        for raw in ["<svg onload", "<script>alert", "<img src=x"] {
            assert!(!page.contains(raw), "{raw}");
        }
    }
    // The part behind `=` is another representation of the name (PS3.5 section 6.2.1) and is not shown.
    assert!(house.page(&format!("/studies/{key}")).await.contains("&#60;svg onload"));
}

#[tokio::test]
async fn bodies_and_problems_are_bounded() {
    let house = House::new().await;
    let body = format!("accession={}", "x".repeat(100_000));
    assert_eq!(house.post_form("/find", &body).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let request = Request::get("/studies/unknown")
        .header(header::HOST, "localhost")
        .header(header::ACCEPT, "text/html,application/xhtml+xml")
        .body(Body::empty())
        .unwrap();
    let response = house.send(request).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn theme_is_chosen_without_a_script() {
    let house = House::new().await;
    let response = house.post_form("/theme", "theme=light&back=//attacker.example").await;
    assert_eq!(response.headers()[header::LOCATION], "/");
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let request =
        Request::get("/").header(header::HOST, "localhost").header(header::COOKIE, cookie).body(Body::empty());
    let body = house.send(request.unwrap()).await.into_body();
    let page = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&page).contains("data-theme=\"light\""));
}
