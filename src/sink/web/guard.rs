//! Who may ask: names in the request that a hostile page could have chosen are refused.
//!
//! A page on the internet can make a browser speak to 127.0.0.1 in two ways: under its own host name (DNS rebinding), which the `Host`
//! header shows, and through a cross-site WebSocket, which the `Origin` header shows.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// What the browser may load: this server's own files and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Host names under which the page may be asked for, besides addresses and `localhost`.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed(Arc<Vec<String>>);

impl Allowed {
    /// On loopback no further name; beyond it this machine's own name, bare and in `.local`.
    pub fn new(loopback: bool) -> Self {
        if loopback {
            return Self::default();
        }
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_lowercase();
        if name.is_empty() { Self::default() } else { Self(Arc::new(vec![format!("{name}.local"), name])) }
    }

    /// The host part of a `Host` header (port and brackets cut off) is an address, `localhost` or our own name.
    fn host(&self, host: &str) -> bool {
        let bare = bare(host).to_lowercase();
        bare == "localhost" || bare.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok() || self.0.contains(&bare)
    }
}

/// A host without its port and brackets.
fn bare(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(inside, _)| inside),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// An absent `Origin` is no browser; a present one must be the page itself.
fn same_origin(headers: &HeaderMap, host: &str) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Some(origin) = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()) else { return false };
    origin.authority().is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(host))
}

/// Refuses what fails the checks, and adds the security headers to every answer.
pub(super) async fn guard(State(allowed): State<Allowed>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let mut response = if !allowed.host(&host) {
        refuse(StatusCode::MISDIRECTED_REQUEST, "this name is not mine: ask by address, for example http://127.0.0.1\n")
    } else if !same_origin(request.headers(), &host) {
        refuse(StatusCode::FORBIDDEN, "another page may not ask\n")
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

fn refuse(status: StatusCode, words: &'static str) -> Response<Body> {
    (status, words).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_own_names_pass_and_chosen_names_do_not() {
        let allowed = Allowed(Arc::new(vec!["lab-pc".into()]));
        for host in ["127.0.0.1:8080", "localhost:9000", "[::1]:8080", "10.0.0.7", "lab-pc:8080", "LocalHost"] {
            assert!(allowed.host(host), "{host}");
        }
        for host in ["evil.example:8080", "127.0.0.1.evil.example", "", "localhost.evil.example"] {
            assert!(!allowed.host(host), "{host}");
        }
    }

    #[test]
    fn another_origin_is_not_ours() {
        let mut headers = HeaderMap::new();
        assert!(same_origin(&headers, "127.0.0.1:8080"));
        headers.insert(header::ORIGIN, HeaderValue::from_static("http://127.0.0.1:8080"));
        assert!(same_origin(&headers, "127.0.0.1:8080"));
        for origin in ["http://evil.example", "http://127.0.0.1:9999", "null"] {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            assert!(!same_origin(&headers, "127.0.0.1:8080"), "{origin}");
        }
    }
}
