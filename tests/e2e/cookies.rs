//! Cookies that a client or a proxy sends in several fields.

use serde_json::Value;

use crate::support::{Start, app, in_all_classes, site};

in_all_classes! {
    several_fields_are_one,
}

fn several_fields_are_one(class: &[&str]) {
    let server = Start::server(class).cwd(app("mirror")).spawn();
    let cookies = |fields: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
        let known: Value = serde_json::from_str(&server.target().exchange(request).ok()).unwrap();
        known["fields"].clone()
    };
    let two = cookies("Cookie: a=1\r\nX-A: b\r\ncookie: c=\"2,3\"; d=4\r\nCookie:\r\nX-A: e\r\n");
    assert_eq!(two["HTTP_COOKIE"], "a=1; c=\"2,3\"; d=4");
    // Other fields are joined as lists.
    assert_eq!(two["HTTP_X_A"], "b,e");
    assert_eq!(cookies("Cookie: a=1\r\n")["HTTP_COOKIE"], "a=1");
    let many: Vec<_> = (0..90).map(|n| format!("c{n}={n}")).collect();
    let fields = many.iter().map(|cookie| format!("Cookie: {cookie}\r\n"));
    assert_eq!(
        cookies(&fields.collect::<String>())["HTTP_COOKIE"],
        many.join("; ")
    );
}

#[test]
fn tornado_finds_them_all() {
    let elsewhere = crate::support::folder();
    let server = Start::server(["app:app", "-k", "tornado", "--app-zip"])
        .args([site::zip("tornado_site")])
        .cwd(elsewhere.path())
        .spawn();
    let request = "GET /cookies HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                   Cookie: a=1\r\nCookie: b=2\r\n\r\n";
    assert_eq!(server.target().exchange(request).ok(), "a=1 b=2");
}
