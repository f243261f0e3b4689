//! What any endpoint gets: the message as JSON, signed where there is a key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::http::Request;
use crate::core::notify::Message;
use crate::ports::Secret;

/// The request with its headers. The signature is over the body, which says when it was sent; the delivery is the same
/// for each try, so that a receiver can tell what it has.
pub(super) fn signed(request: Request, message: &Message, key: Option<&Secret>) -> Request {
    let signature = key.map(|key| signature(key, request.body()));
    let request =
        request.header("X-Patchctl-Event", message.event.to_owned()).header("X-Patchctl-Delivery", message.id.clone());
    match signature {
        Some(signature) => request.header("X-Patchctl-Signature", signature),
        None => request,
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub(super) fn signature(key: &Secret, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).expect("a key of any length");
    mac.update(body);
    format!("sha256={}", data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()))
}
