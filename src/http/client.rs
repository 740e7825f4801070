//! Who asks, and for whom: the client's address, and the host that it names.
//!
//! Neither decides what a request may do, and no link is made of either (C193): a link is made of
//! the public URL, and the credential decides.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};

use super::connection::Connection;
use crate::config::Server;

/// What proxies say about the client. Any other header is ignored.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of a request's client: who connected, or, if that is a trusted proxy, what it says.
/// None for a request that came over no connection.
pub(super) fn address(request: &Request, server: &Server) -> Option<IpAddr> {
    let connection = request.extensions().get::<Connection>()?;
    Some(behind(
        connection.peer.ip().to_canonical(),
        request.headers(),
        server,
    ))
}

/// Walks from who connected towards the client, for as long as the hop that tells of the next is
/// trusted.
fn behind(peer: IpAddr, headers: &HeaderMap, server: &Server) -> IpAddr {
    let told: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .flat_map(|line| line.to_str().unwrap_or("?").split(','))
        .collect();
    let mut address = peer;
    for hop in told.into_iter().rev() {
        if !server.is_proxy(address) {
            break;
        }
        match parse(hop.trim()) {
            Some(hop) => address = hop,
            None => break,
        }
    }
    address
}

/// An address, as some proxies write it with its port.
fn parse(hop: &str) -> Option<IpAddr> {
    let ip = hop.parse().ok();
    let ip = ip.or_else(|| hop.parse().ok().map(|hop: std::net::SocketAddr| hop.ip()));
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    ip.or_else(|| bare?.parse().ok())
        .map(|ip| ip.to_canonical())
}

/// What to answer to a request for a host that is not this deployment's. A request that names none
/// is taken: nothing of it can lead anywhere.
pub(super) fn refused_host(
    request: &Request,
    server: &Server,
) -> Option<(StatusCode, &'static str)> {
    if ["/healthz", "/readyz"].contains(&request.uri().path()) {
        return None;
    }
    let mut named = request.headers().get_all(HOST).iter();
    let header = match (named.next(), named.next()) {
        (None, _) => None,
        (Some(host), None) => match Authority::try_from(host.as_bytes()) {
            Ok(host) if !host.as_str().contains('@') => Some(host),
            _ => return Some((StatusCode::BAD_REQUEST, "the Host header is no host")),
        },
        (Some(_), Some(_)) => return Some((StatusCode::BAD_REQUEST, "there are two Host headers")),
    };
    let named = request.uri().authority().cloned().into_iter().chain(header);
    for host in named {
        if !server.is_host(host.host()) {
            let host: String = host.host().chars().take(100).collect();
            tracing::info!(?host, "refused a request for a host that is not ours");
            return Some((
                StatusCode::MISDIRECTED_REQUEST,
                "this host is not served here; server.public_url and server.hosts name those that are",
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    // C193
    #[test]
    fn only_trusted_proxies_say_who_the_client_is() {
        let server = Server {
            trusted_proxies: ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]
                .map(|network| network.parse().unwrap())
                .to_vec(),
            ..Server::default()
        };
        let check = |peer: &str, lines: &[&str], expect: &str| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, line.parse().unwrap());
            }
            headers.append("forwarded", "for=203.0.113.66".parse().unwrap());
            headers.append("x-real-ip", "203.0.113.67".parse().unwrap());
            let peer: IpAddr = peer.parse().unwrap();
            let found = behind(peer.to_canonical(), &headers, &server);
            assert_eq!(found.to_string(), expect, "{peer} {lines:?}");
        };
        let (proxy, client) = ("10.1.1.1", "198.51.100.4");
        check(client, &[], client);
        check(client, &["203.0.113.9"], client);
        check(proxy, &[], proxy);
        check(proxy, &[client], client);
        check("::ffff:10.1.1.1", &[client], client);
        check("2001:db8::1", &["[2001:db9::5]:4711"], "2001:db9::5");
        check(proxy, &["198.51.100.4:4711"], client);
        // What the client said itself stands left of what the proxy added.
        check(proxy, &["203.0.113.9, 198.51.100.4"], client);
        check(proxy, &["203.0.113.9", client], client);
        check(
            proxy,
            &["203.0.113.9, 198.51.100.4, 192.0.2.7,10.2.2.2"],
            client,
        );
        // A chain of trusted hops alone ends with its first.
        check(proxy, &["10.3.3.3, 10.2.2.2"], "10.3.3.3");
        // Behind what cannot be read nothing is believed.
        check(proxy, &["203.0.113.9, unknown, 10.2.2.2"], "10.2.2.2");
        check(proxy, &["203.0.113.9, ,"], proxy);
        check(proxy, &[&"1.1.1.1,".repeat(2_000), client], client);
    }

    #[test]
    fn a_host_is_ours_by_the_public_url_or_by_name() {
        let mut server = Server::default();
        assert!(server.is_host("anything.example"));
        server.public_url = "https://Gate.example:8443/base".parse().ok();
        server.hosts = vec!["gatehouse".to_owned()];
        for host in ["gate.example", "GATE.EXAMPLE", "gate.example.", "gatehouse"] {
            assert!(server.is_host(host), "{host}");
        }
        for host in ["localhost", "127.0.0.1", "10.0.0.9", "[::1]"] {
            assert!(server.is_host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "gate.example.evil.example",
            "xgate.example",
        ] {
            assert!(!server.is_host(host), "{host}");
        }
        server.allow_any_host = true;
        assert!(server.is_host("evil.example"));
    }
}
