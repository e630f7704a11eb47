//! What the clients of a load thread do.

pub(crate) mod crowd;
pub(crate) mod drain;
pub(crate) mod exchange;
pub(crate) mod group;
pub(crate) mod idle;
pub(crate) mod logins;
pub(crate) mod slow_reader;
pub(crate) mod visits;

use crate::clients::{Clients, End};
use crate::error::LoadError;
use crate::sockets::ClientId;
use crate::tally::Tally;
use crate::wire::Incoming;

/// The phases of scenarios that measure for a given time, in order.
pub(crate) const TIMED_PHASES: &[&str] = &["log in", "warm up", "measure", "cool", "end"];
/// Index of the phase that counts, and of the one after it.
pub(crate) const MEASURE: u32 = 2;
pub(crate) const COOL: u32 = 3;
const END: u32 = 4;

/// One kind of load, driven by the events of its clients. Times are [`crate::clock::now_ns`].
pub(crate) trait Scenario {
    /// Client `id` is logged in or, on a bare echo, connected. `opened_ns`: when it began to connect.
    fn on_ready(&mut self, clients: &mut Clients, id: ClientId, opened_ns: u64, now: u64);

    /// A frame has come for `id`.
    fn on_frame(&mut self, clients: &mut Clients, id: ClientId, frame: Incoming<'_>, now: u64);

    /// The connection of `id` has ended.
    fn on_closed(&mut self, clients: &mut Clients, id: ClientId, end: &End, now: u64);

    /// Does what is due, and returns when it wants to be called again at the latest.
    ///
    /// # Errors
    /// Whatever makes going on pointless.
    fn on_tick(&mut self, clients: &mut Clients, now: u64) -> Result<u64, LoadError>;

    /// Whether all is done.
    fn finished(&self) -> bool;

    /// The result.
    fn into_tally(self) -> Tally;
}

/// Where a scenario with [`TIMED_PHASES`] is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimedPhase {
    number: u32,
    from_ns: u64,
    until_ns: u64,
}

impl TimedPhase {
    /// Moves on with time: warming up from `start_ns`, then measuring.
    pub(crate) fn advance(&mut self, start_ns: u64, warm_up_ns: u64, measure_ns: u64, now: u64) {
        self.from_ns = start_ns + warm_up_ns;
        if self.until_ns == 0 {
            self.until_ns = self.from_ns + measure_ns;
        }
        if self.number < COOL {
            self.number = match now {
                now if now >= self.until_ns => COOL,
                now if now >= self.from_ns => MEASURE,
                _ => 1,
            };
        }
    }

    /// Whether something that began at `time_ns` belongs to what is measured.
    pub(crate) fn measures(&self, time_ns: u64) -> bool {
        (self.from_ns..self.until_ns).contains(&time_ns)
    }

    /// When measuring ends; 0 before it is known.
    pub(crate) fn until_ns(&self) -> u64 {
        self.until_ns
    }

    /// Stops measuring, at its time or before.
    pub(crate) fn cool(&mut self, now: u64) {
        self.until_ns = self.until_ns.min(now);
        self.number = self.number.max(COOL);
    }

    pub(crate) fn end(&mut self) {
        self.number = END;
    }

    pub(crate) fn ended(&self) -> bool {
        self.number == END
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }
}

/// Counts a connection that ended unasked; one that never was logged in fails the run.
pub(crate) fn note_end(tally: &mut Tally, clients: &Clients, id: ClientId, end: &End) {
    let reason = match end {
        End::Asked => return,
        End::Closed(code) => format!("closed with {code}"),
        End::Broken(why) => why.clone(),
        End::NotLoggedIn(why) => {
            tally
                .failed_login
                .get_or_insert_with(|| (clients.user_id(id).to_owned(), why.clone()));
            return;
        }
    };
    *tally.disconnects.entry(reason).or_default() += 1;
}
