//! Literal double quotes in a query.
//!
//! Some clients send `filter=userName eq "x"` with its quotes as they are. RFC 3986 does not allow
//! them there, and the HTTP library ends such a connection before any code of ours runs. So the
//! bytes of a connection are followed from request to request, and in the query of a request line
//! a quote becomes a backtick, which RFC 3986 does not allow either; [`restore`] turns it back. A
//! quote that comes encoded, as it should, is not touched, and neither is anything else. That is for
//! HTTP/1.1; over HTTP/2, whose headers are packed, the library refuses such a request.

/// What stands for a literal quote between here and [`restore`].
const STAND_IN: u8 = b'`';
/// How much of a header line is looked at.
const LOOKED_AT: usize = 64;

/// Where in a request the next byte of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Line { is_empty: bool, in_query: bool },
    Header,
    Body { left: u64 },
    ChunkSize { size: u64 },
    ChunkData { left: u64 },
    Trailer { is_empty: bool },
}

/// Follows the requests of one connection.
#[derive(Debug)]
pub(super) struct Requests {
    place: Place,
    header: Vec<u8>,
    length: u64,
    is_chunked: bool,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            place: START,
            header: Vec::new(),
            length: 0,
            is_chunked: false,
        }
    }

    /// Replaces literal quotes in queries among the bytes that come next.
    pub(super) fn rewrite(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let passed = match self.place {
                Place::Body { left } | Place::ChunkData { left } => {
                    let passed =
                        usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    let left = left - passed as u64;
                    self.place = match self.place {
                        Place::Body { .. } if left == 0 => START,
                        Place::Body { .. } => Place::Body { left },
                        _ if left == 0 => Place::ChunkSize { size: 0 },
                        _ => Place::ChunkData { left },
                    };
                    passed
                }
                _ => {
                    bytes[0] = self.step(bytes[0]);
                    1
                }
            };
            bytes = &mut bytes[passed..];
        }
    }

    /// Passes one byte that is not of a body.
    fn step(&mut self, byte: u8) -> u8 {
        match self.place {
            Place::Line { is_empty, in_query } => {
                if byte == b'\n' {
                    self.place = if is_empty { START } else { self.head() };
                } else if byte != b'\r' {
                    let in_query = in_query || byte == b'?';
                    self.place = Place::Line {
                        is_empty: false,
                        in_query,
                    };
                    if in_query && byte == b'"' {
                        return STAND_IN;
                    }
                }
            }
            Place::Header if byte == b'\n' => self.end_header(),
            Place::Header => {
                if byte != b'\r' && self.header.len() < LOOKED_AT {
                    self.header.push(byte.to_ascii_lowercase());
                }
            }
            Place::ChunkSize { size } => {
                if byte == b'\n' {
                    self.place = match size {
                        0 => Place::Trailer { is_empty: true },
                        // The data and the line end behind it.
                        size => Place::ChunkData {
                            left: size.saturating_add(2),
                        },
                    };
                } else if let Some(digit) = char::from(byte).to_digit(16) {
                    self.place = Place::ChunkSize {
                        size: size.saturating_mul(16).saturating_add(digit.into()),
                    };
                }
            }
            Place::Trailer { is_empty } => {
                if byte == b'\n' {
                    self.place = if is_empty {
                        START
                    } else {
                        Place::Trailer { is_empty: true }
                    };
                } else if byte != b'\r' {
                    self.place = Place::Trailer { is_empty: false };
                }
            }
            Place::Body { .. } | Place::ChunkData { .. } => {}
        }
        byte
    }

    fn head(&mut self) -> Place {
        self.header.clear();
        self.length = 0;
        self.is_chunked = false;
        Place::Header
    }

    fn end_header(&mut self) {
        let header = std::mem::take(&mut self.header);
        if header.is_empty() {
            self.place = match (self.is_chunked, self.length) {
                (true, _) => Place::ChunkSize { size: 0 },
                (false, 0) => START,
                (false, left) => Place::Body { left },
            };
            return;
        }
        let text = String::from_utf8_lossy(&header);
        match text.split_once(':') {
            Some(("content-length", length)) => self.length = length.trim().parse().unwrap_or(0),
            Some(("transfer-encoding", coding)) => self.is_chunked = coding.contains("chunked"),
            _ => {}
        }
    }
}

/// The query as it was sent.
pub(super) fn restore(query: &str) -> String {
    query.replace(char::from(STAND_IN), "\"")
}

const START: Place = Place::Line {
    is_empty: true,
    in_query: false,
};

#[cfg(test)]
mod tests {
    use super::Requests;

    /// Rewrites text in pieces of each of several sizes; all must agree.
    fn rewritten(text: &str) -> String {
        let outcomes = [1, 2, 7, text.len().max(1)].map(|size| {
            let mut bytes = text.as_bytes().to_vec();
            let mut requests = Requests::new();
            for piece in bytes.chunks_mut(size) {
                requests.rewrite(piece);
            }
            String::from_utf8(bytes).unwrap()
        });
        assert!(
            outcomes.windows(2).all(|pair| pair[0] == pair[1]),
            "{outcomes:?}"
        );
        outcomes[0].clone()
    }

    #[test]
    fn quotes_in_a_query_stand_aside_and_nothing_else_does() {
        let check = |text: &str, expect: &str| assert_eq!(rewritten(text), expect);
        check(
            "GET /U?f=a+eq+\"b\" HTTP/1.1\r\nH: \"x?\"\r\n\r\n",
            "GET /U?f=a+eq+`b` HTTP/1.1\r\nH: \"x?\"\r\n\r\n",
        );
        check("GET /\"U\" HTTP/1.1\r\n\r\n", "GET /\"U\" HTTP/1.1\r\n\r\n");
        check("\r\nGET /?\"\n\nGET /?\"\n\n", "\r\nGET /?`\n\nGET /?`\n\n");
    }

    #[test]
    fn bodies_are_passed_over_whatever_they_hold() {
        let body = "\r\n\r\nGET /?\"";
        let post = format!(
            "POST /?a HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let both = format!("{post}GET /?\" HTTP/1.1\r\n\r\n");
        assert_eq!(rewritten(&both), format!("{post}GET /?` HTTP/1.1\r\n\r\n"));
        let size = body.len();
        let chunks = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{size:x};x=\"\r\n{body}\r\n0\r\nT: \"\r\n\r\n"
        );
        let both = format!("{chunks}GET /?\" HTTP/1.1\r\n\r\n");
        assert_eq!(
            rewritten(&both),
            format!("{chunks}GET /?` HTTP/1.1\r\n\r\n")
        );
    }
}
