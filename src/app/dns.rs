//! TXT records, asked of the name servers that the machine is set up with. Over TCP, where nobody else
//! can answer and no answer is cut.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::outside::Found;

/// Where a machine says which name servers it asks.
const SERVERS: &str = "/etc/resolv.conf";
/// The port of name servers.
const PORT: u16 = 53;
/// How long one of them may take.
const TIME: Duration = Duration::from_secs(3);

/// The texts of the TXT records of a name; none if there are none.
pub(super) async fn texts(name: &str) -> Found<Vec<String>> {
    let mut why = "no name server is configured".to_owned();
    let servers = tokio::fs::read_to_string(SERVERS).await;
    for server in listed(&servers.unwrap_or_default()) {
        let asked = tokio::time::timeout(TIME, ask((server, PORT).into(), name));
        match asked.await {
            Ok(Ok(texts)) => return Ok(texts),
            Ok(Err(error)) => why = error,
            Err(_) => "the name server does not answer".clone_into(&mut why),
        }
    }
    Err(why)
}

fn listed(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines().filter_map(|line| {
        let (word, rest) = line.split_once(char::is_whitespace)?;
        let address = rest.split_whitespace().next()?;
        (word == "nameserver").then(|| address.parse().ok())?
    })
}

async fn ask(server: SocketAddr, name: &str) -> Found<Vec<String>> {
    let mut id = [0; 2];
    crate::secrets::fill(&mut id).map_err(|error| error.to_string())?;
    let id = u16::from_be_bytes(id);
    let mut query = Packet::new_query(id);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    let asked = Name::new(name).map_err(|error| error.to_string())?;
    let question = Question::new(asked, TYPE::TXT.into(), CLASS::IN.into(), false);
    query.questions.push(question);
    let query = query.build_bytes_vec().map_err(|error| error.to_string())?;
    let bytes = exchange(server, &query)
        .await
        .map_err(|error| format!("the name server cannot be reached: {error}"))?;
    let reply = Packet::parse(&bytes).map_err(|error| error.to_string())?;
    if reply.id() != id || !reply.has_flags(PacketFlag::RESPONSE) {
        return Err("the name server answered something else".to_owned());
    }
    match reply.rcode() {
        RCODE::NoError | RCODE::NameError => {}
        other => return Err(format!("the name server answered {other:?}")),
    }
    let texts = reply.answers.into_iter().filter_map(|record| {
        let RData::TXT(text) = record.rdata else {
            return None;
        };
        String::try_from(text).ok()
    });
    Ok(texts.collect())
}

/// Sends a message and reads one (RFC 1035 section 4.2.2).
async fn exchange(server: SocketAddr, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
    let framed = [&length.to_be_bytes(), message].concat();
    stream.write_all(&framed).await?;
    let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use simple_dns::rdata::{RData, TXT};
    use simple_dns::{CLASS, Packet, RCODE, ResourceRecord};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::{ask, listed};

    #[test]
    fn name_servers_are_read_as_the_machine_lists_them() {
        let text = "# nameserver 9.9.9.9\nsearch acme.example\nnameserver 127.0.0.53\n\
                    nameserver\t::1 # local\nnameserver fe80::1%eth0\noptions edns0\n";
        let found: Vec<_> = listed(text).map(|it| it.to_string()).collect();
        assert_eq!(found, ["127.0.0.53", "::1"]);
    }

    /// Asks a name server that answers so.
    async fn answered(rcode: RCODE, text: Option<&str>, shift: u16) -> Result<Vec<String>, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut bytes).await.unwrap();
            let query = Packet::parse(&bytes).unwrap();
            let name = query.questions[0].qname.clone();
            assert_eq!(name.to_string(), "_gatehouse-challenge.acme.example");
            let mut reply = Packet::new_reply(query.id().wrapping_add(shift));
            *reply.rcode_mut() = rcode;
            if let Some(text) = text {
                let mut parts = TXT::new();
                // A longer text comes in parts.
                for part in text.as_bytes().chunks(10) {
                    parts
                        .add_string(std::str::from_utf8(part).unwrap())
                        .unwrap();
                }
                let record = ResourceRecord::new(name, CLASS::IN, 60, RData::TXT(parts));
                reply.answers.push(record);
            }
            let reply = reply.build_bytes_vec().unwrap();
            let length = u16::try_from(reply.len()).unwrap();
            stream.write_all(&length.to_be_bytes()).await.unwrap();
            stream.write_all(&reply).await.unwrap();
        };
        let asked = ask(address, "_gatehouse-challenge.acme.example");
        tokio::join!(asked, serve).0
    }

    #[tokio::test]
    async fn texts_are_what_the_name_server_answers_to_this_very_question() {
        let text = Some("gatehouse-abcdefghijkl");
        let found = answered(RCODE::NoError, text, 0).await;
        assert_eq!(found.unwrap(), ["gatehouse-abcdefghijkl"]);
        let none = answered(RCODE::NameError, None, 0).await;
        assert!(none.unwrap().is_empty());
        assert!(answered(RCODE::ServerFailure, None, 0).await.is_err());
        assert!(answered(RCODE::NoError, text, 1).await.is_err());
    }
}
