//! SSH packets by hand, as far as they go without keys: for servers that stop half way.

/// One packet, not encrypted.
pub(super) fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 8 - (payload.len() + 5) % 8 + 8;
    let length = u32::try_from(payload.len() + padding + 1).unwrap();
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.push(u8::try_from(padding).unwrap());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

/// The banner, and what the server proposes; `strict`: neither side may say anything else until keys are there.
pub(super) fn key_exchange(strict: bool) -> Vec<u8> {
    let kex = if strict { "curve25519-sha256,kex-strict-s-v00@openssh.com" } else { "curve25519-sha256" };
    let (cipher, mac) = ("aes128-gcm@openssh.com", "hmac-sha2-256");
    let lists = [kex, "ssh-ed25519", cipher, cipher, mac, mac, "none", "none", "", ""];
    let mut payload = vec![20];
    payload.extend([7; 16]);
    for list in lists {
        payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        payload.extend_from_slice(list.as_bytes());
    }
    payload.extend([0; 5]);
    [b"SSH-2.0-hostile\r\n".to_vec(), packet(&payload)].concat()
}

/// A packet that is there to be ignored.
pub(super) fn ignored(bytes: u32) -> Vec<u8> {
    let mut payload = vec![2];
    payload.extend(bytes.to_be_bytes());
    payload.resize(payload.len() + bytes as usize, 0);
    packet(&payload)
}

/// The beginning of the answer to the client's half of the key exchange.
pub(super) fn half_a_reply() -> Vec<u8> {
    let mut payload = vec![31];
    payload.resize(400, 5);
    let mut whole = packet(&payload);
    whole.truncate(100);
    whole
}
