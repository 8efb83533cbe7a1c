//! The values of the Secrets that an application has, to be hidden where its pods print them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::manifest::Body;
use crate::redacted::Redacted;
use crate::secret_inputs::SecretInputs;

/// Adds the values of an object to what is hidden; of anything but a Secret there are none.
pub fn hide_values(body: &Body, secrets: &mut SecretInputs) {
    for value in body.secret().values() {
        let decoded = STANDARD.decode(value.expose()).ok();
        // What is no text is not printed as one.
        if let Some(text) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
            secrets.add(&Redacted::new(text));
        }
    }
}
