//! Frames of HTTP/2 as bytes, for what no HTTP client would send.

pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `:method` by its place in the static table.
pub(crate) const GET: u8 = 0x82;
pub(crate) const POST: u8 = 0x83;

/// The header block of a request to `gate.example`: nothing is put into the table of the
/// connection.
pub(crate) fn request(method: u8, path: &str, headers: &[(&str, String)]) -> Vec<u8> {
    // And `:scheme` https.
    let mut block = vec![method, 0x87];
    // Literals without indexing, their names by place: :authority and :path.
    for (place, value) in [(1, "gate.example"), (4, path)] {
        block.push(place);
        text(&mut block, value);
    }
    for (name, value) in headers {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    block
}

fn text(block: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 127, "one byte of length is enough here");
    block.push(length);
    block.extend(text.as_bytes());
}
