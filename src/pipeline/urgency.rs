//! Real-time priority for the threads between camera and pin, where the configuration asks for it and the system grants it.

use std::io;
use thread_priority::unix::set_thread_priority_and_policy;
use thread_priority::{
    Error, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy, thread_native_id,
};

/// How urgent the line is: a priority of `SCHED_FIFO`, or ordinary scheduling.
#[derive(Clone, Copy, Debug)]
pub struct Urgency(Option<u8>);

/// The system does not grant the priority.
#[derive(Debug, thiserror::Error)]
#[error(
    "real-time priority {priority}: refused: {source}; needs LimitRTPRIO={priority} (arenad@.service has it) or rtprio in \
     /etc/security/limits.d, or leave process.realtime_priority out"
)]
pub struct Refused {
    priority: u8,
    source: io::Error,
}

impl Urgency {
    /// As the configuration has it.
    pub fn new(priority: Option<u8>) -> Self {
        Self(priority)
    }

    /// Makes the calling thread as urgent; threads that it makes inherit it.
    pub fn take(self) -> Result<(), Refused> {
        let Some(priority) = self.0 else { return Ok(()) };
        let refused = |source| Refused { priority, source };
        let value = ThreadPriorityValue::try_from(priority)
            .map_err(|what| refused(io::Error::new(io::ErrorKind::InvalidInput, what)))?;
        let fifo = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
        set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(value), fifo).map_err(
            |error| {
                refused(match error {
                    Error::OS(code) => io::Error::from_raw_os_error(code),
                    other => io::Error::other(format!("{other:?}")),
                })
            },
        )
    }

    /// Does `work` as urgently, so that the threads which it makes are urgent, and leaves the calling thread as it is.
    pub fn lend<T: Send>(self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        if self.0.is_none() {
            return Ok(work());
        }
        aside(|| {
            // That it is refused is told by the threads of the line.
            self.take().ok();
            work()
        })
    }

    /// Whether the system would grant it.
    pub fn granted(self) -> Result<(), Refused> {
        let priority = self.0.unwrap_or(0);
        aside(|| self.take()).unwrap_or_else(|source| Err(Refused { priority, source }))
    }
}

/// Does `work` on a thread of its own and waits for it.
fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("open".to_owned()).spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use thread_priority::unix::thread_schedule_policy_param;

    #[test]
    fn what_is_not_asked_for_is_granted_and_what_cannot_be_is_refused_with_what_to_do() {
        assert!(Urgency::new(None).granted().is_ok());
        let said = Urgency::new(Some(100)).granted().expect_err("out of range").to_string();
        assert!(
            said.starts_with("real-time priority 100: refused: ") && said.contains("; needs LimitRTPRIO=100 "),
            "{said}"
        );
    }

    #[test]
    fn urgency_is_lent_to_the_work_and_not_kept() {
        let policy = || thread_schedule_policy_param(thread_native_id()).map(|(_, params)| params.sched_priority);
        let lent = Urgency::new(Some(7)).lend(policy).expect("a thread");
        match Urgency::new(Some(7)).granted() {
            Ok(()) => assert_eq!(lent, Ok(7)),
            Err(refused) => eprintln!("not tried here: {refused}"),
        }
        assert_eq!(policy(), Ok(0));
    }
}
