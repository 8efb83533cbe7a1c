//! Verifies a delivery of a Git server and turns it into a hint: "look at this repository".
//!
//! Anybody on the internet may call the listener. A delivery counts only with a signature over
//! its raw bytes by the secret of a hook, and even then its content decides nothing: the agent
//! asks the repository itself what its branches are. A delivery that is lost costs the time until
//! the next poll.
//!
//! This crate sees neither cluster nor database nor Git. What happens to a delivery:
//!
//! ```text
//! form of the signature ─> body (bounded, in time) ─> HMAC by every secret ─> event
//!        401                   413, 408                   401                 ─> hooks ─> Delivery
//! ```
//!
//! Each answer but 400 is the same for everybody: it does not tell which repositories exist.

mod counters;
mod duplicates;
mod payload;
mod receiver;
mod refusal;
mod registrations;
mod settings;
mod signature;
mod told;

pub use counters::{Counters, Counts};
pub use receiver::{Delivery, Provider, router};
pub use registrations::{Hook, Registrations};
pub use settings::Settings;
pub use told::Told;
