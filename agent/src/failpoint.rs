//! Named points of the sync path at which a test ends, fails or holds up the agent.
//!
//! They exist in builds with the cargo feature `failpoints` only; without it each call is an empty
//! function. `docs/failpoints.md` lists the points and says how to configure them.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("the feature `failpoints` lets the environment end the agent: not in a release");

#[cfg(not(feature = "failpoints"))]
pub(crate) use absent::{check, clock, configure, reached};
#[cfg(feature = "failpoints")]
pub(crate) use armed::{check, clock, configure, reached};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::atomic::{AtomicBool, Ordering};

    use anyhow::Context as _;
    use syncline_core::outcome::Failure;
    use syncline_core::reason::Reason;

    use crate::clock::Clock;

    /// Whether any point is configured.
    static ARMED: AtomicBool = AtomicBool::new(false);

    /// Configures the points that the environment variable `FAILPOINTS` names. It is no setting:
    /// only a test sets it, and a release does not know it.
    pub(crate) fn configure() -> anyhow::Result<()> {
        match std::env::var("FAILPOINTS") {
            Ok(text) => configure_from(&text).context("`FAILPOINTS`"),
            Err(std::env::VarError::NotPresent) => Ok(()),
            Err(error) => Err(error).context("`FAILPOINTS`"),
        }
    }

    /// The clock of the agent: the one of the machine, or one that shows the time that the point
    /// `clock` returns when the agent starts.
    pub(crate) fn clock() -> anyhow::Result<Clock> {
        match fail::eval("clock", |argument| argument.unwrap_or_default()) {
            None => Ok(Clock::default()),
            Some(text) => {
                let time = text.parse().context("the failpoint `clock` is no time")?;
                Ok(Clock::showing(time))
            }
        }
    }

    /// Configures the points of a text of the form `point=actions;point=actions`.
    pub(super) fn configure_from(text: &str) -> anyhow::Result<()> {
        for point in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            let (name, actions) = point
                .split_once('=')
                .with_context(|| format!("`{point}` is not of the form `point=actions`"))?;
            fail::cfg(name.trim(), actions.trim())
                .map_err(anyhow::Error::msg)
                .with_context(|| format!("the actions of `{name}`"))?;
            ARMED.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Passes a point in blocking code: does what is configured for it, on this thread.
    ///
    /// `return(kill)` ends the process at once, as a crash does; `return(error)` fails with
    /// [`Reason::Internal`], and `return(<reason>)` with the reason of that name.
    pub(crate) fn check(name: &str) -> Result<(), Failure> {
        match fail::eval(name, |argument| argument.unwrap_or_default()) {
            None => Ok(()),
            Some(argument) if argument == "kill" => std::process::abort(),
            Some(argument) => Err(Failure {
                reason: Reason::from_name(&argument).unwrap_or(Reason::Internal),
                detail: format!("the failpoint `{name}`"),
            }),
        }
    }

    /// Passes a point in asynchronous code: as [`check`], but where the point sleeps or pauses only
    /// this task does.
    pub(crate) async fn reached(name: &'static str) -> Result<(), Failure> {
        if !ARMED.load(Ordering::Relaxed) {
            return Ok(());
        }
        crate::agent::blocking(move || check(name)).await
    }
}

#[cfg(not(feature = "failpoints"))]
mod absent {
    use std::future::{Ready, ready};

    use syncline_core::outcome::Failure;

    use crate::clock::Clock;

    /// The clock of the machine.
    pub(crate) fn clock() -> anyhow::Result<Clock> {
        Ok(Clock::default())
    }

    /// There is nothing to configure.
    pub(crate) fn configure() -> anyhow::Result<()> {
        Ok(())
    }

    /// Does nothing.
    pub(crate) fn check(_: &str) -> Result<(), Failure> {
        Ok(())
    }

    /// Does nothing.
    pub(crate) fn reached(_: &'static str) -> Ready<Result<(), Failure>> {
        ready(Ok(()))
    }
}

#[cfg(all(test, feature = "failpoints"))]
mod tests {
    use syncline_core::reason::Reason;

    use super::armed::configure_from;
    use super::{check, reached};

    #[test]
    fn the_third_pass_fails_with_the_reason_that_is_named() {
        configure_from("unit.third=2*off->1*return(ApiUnavailable); unit.other=off").unwrap();
        assert!(check("unit.third").is_ok());
        assert!(check("unit.third").is_ok());
        let failure = check("unit.third").unwrap_err();
        assert_eq!(failure.reason, Reason::ApiUnavailable);
        assert!(
            failure.detail.contains("unit.third"),
            "{failure:?} does not name the point"
        );
        assert!(check("unit.third").is_ok());
        assert!(check("unit.other").is_ok());
    }

    #[tokio::test]
    async fn a_point_that_pauses_holds_up_its_own_task_only() {
        configure_from("unit.paused=pause").unwrap();
        let paused = tokio::spawn(reached("unit.paused"));
        // On the one thread of this runtime a blocked task would let nothing else go on.
        assert!(reached("unit.elsewhere").await.is_ok());
        assert!(!paused.is_finished());
        fail::remove("unit.paused");
        assert!(paused.await.unwrap().is_ok());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for text in ["unit.bad", "unit.bad=jump(1)"] {
            let error = format!("{:#}", configure_from(text).unwrap_err());
            assert!(error.contains("unit.bad"), "{error}");
        }
    }
}
