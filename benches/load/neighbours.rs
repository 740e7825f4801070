//! A neighbour's look-ups: alone, beside a workspace that floods, and beside clients that send a
//! byte a second. What the neighbour feels is the difference of the three.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use gatehouse::virtual_idp::{Request, ScimClient};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::measure::{Figures, drive, measure};
use crate::scenarios::Target;

/// The neighbour's requests.
const REQUESTS: usize = 500;
/// Requests of the flood in flight: many more than the workspace's share.
const FLOOD: usize = 200;
/// Connections that send a byte a second.
const SLOW: usize = 500;

/// The three scenarios; `neighbour` is a client of another workspace than the target's.
pub(crate) async fn neighbours(
    target: &Target,
    neighbour: ScimClient,
    address: &str,
) -> Result<Vec<Figures>> {
    let neighbour = Arc::new(neighbour);
    let mut figures = vec![look_ups(target, &neighbour, "a neighbour alone", async {}).await?];

    let stop = Arc::new(AtomicBool::new(false));
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..FLOOD {
        let (client, stop) = (Arc::clone(&target.client), Arc::clone(&stop));
        flood.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                // Whether it is answered or put off does not matter to the neighbour.
                let _ = client.exchange(&Request::get("/Users?count=1")).await;
            }
        });
    }
    let end = async {
        stop.store(true, Ordering::Relaxed);
        while flood.join_next().await.is_some() {}
    };
    figures.push(look_ups(target, &neighbour, "a neighbour beside a flood", end).await?);

    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..SLOW {
        let address = address.to_owned();
        slow.spawn(async move {
            let Ok(mut stream) = TcpStream::connect(address).await else {
                return;
            };
            for byte in b"GET /healthz HTTP/1.1\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaa" {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                #[expect(clippy::disallowed_methods, reason = "the client is slow")]
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
    let end = async { slow.shutdown().await };
    let scenario = "a neighbour beside 500 slow clients";
    figures.push(look_ups(target, &neighbour, scenario, end).await?);
    Ok(figures)
}

/// The neighbour's look-ups, and the `end` of what went on beside them.
async fn look_ups(
    target: &Target,
    client: &Arc<ScimClient>,
    scenario: &str,
    end: impl Future<Output = ()>,
) -> Result<Figures> {
    let client = Arc::clone(client);
    let work = drive(1, REQUESTS, move |_| {
        let client = Arc::clone(&client);
        async move {
            let path = "/Users?filter=userName+eq+%22nobody%22";
            let answer = client.exchange(&Request::get(path)).await?;
            ensure!(answer.status.is_success(), "answered {}", answer.status);
            Ok(())
        }
    });
    let work = async {
        let taken = work.await;
        end.await;
        taken
    };
    let (figures, _) = measure(&target.watch, scenario, 1, work).await?;
    Ok(figures)
}
