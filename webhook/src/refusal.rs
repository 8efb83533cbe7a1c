//! Why a request is refused, without a word of its content.

use http::StatusCode;

use crate::counters::Fate;

/// A refused request: what is answered, and why for the log, without a word of the content.
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) fate: Fate,
    pub(crate) why: &'static str,
}

pub(crate) const OVERFLOWED: &str =
    "more deliveries wait than the agent can take; the next poll finds the commit";
pub(crate) const UNCLAIMED: Refusal = Refusal {
    status: StatusCode::UNAUTHORIZED,
    fate: Fate::Rejected,
    why: "it has no signature of the documented form",
};
pub(crate) const UNSIGNED: Refusal = Refusal {
    status: StatusCode::UNAUTHORIZED,
    fate: Fate::Rejected,
    why: "no secret of a hook signed it",
};
pub(crate) const TOO_LARGE: Refusal = Refusal {
    status: StatusCode::PAYLOAD_TOO_LARGE,
    fate: Fate::Refused,
    why: "the body is too large",
};
pub(crate) const TOO_SLOW: Refusal = Refusal {
    status: StatusCode::REQUEST_TIMEOUT,
    fate: Fate::Refused,
    why: "the body arrives too slowly",
};
pub(crate) const BUSY: Refusal = Refusal {
    status: StatusCode::SERVICE_UNAVAILABLE,
    fate: Fate::Refused,
    why: "too many deliveries at the same time",
};

pub(crate) fn malformed(why: &'static str) -> Refusal {
    Refusal {
        status: StatusCode::BAD_REQUEST,
        fate: Fate::Refused,
        why,
    }
}
