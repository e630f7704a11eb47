//! Rows of the store that a session asked for, taken into custody.

use std::sync::Arc;

use super::claims::Taken;
use super::delivery::Delivery;
use super::effect::Origin;
use super::pending::Row;
use super::router::{Custody, CustodyContext};
use super::sessions::LocalSessions;
use crate::id::MessageId;
use crate::port::StoredRow;

/// What came of a page.
#[derive(Debug)]
pub struct Adopted {
    /// What to send.
    pub deliveries: Vec<Delivery>,
    /// Sequence of the last row that was taken or passed over.
    pub last_seq: Option<u64>,
    /// The page's last rows were left for later.
    pub cut_short: bool,
}

impl<S: Clone> Custody<S> {
    /// Takes rows of the store into custody for one session, in order. At one whose router has not decided yet what becomes of it the page ends, so that nothing
    /// overtakes it. Rows in other hands are passed over; a `patient` session waits for them as well: they may be about to be given back. Those that the session has
    /// itself, and keeps until it has caught up (`deferred`), come in their place as courtesies without a ticket, to be replaced by what it has.
    pub fn adopt<L: LocalSessions<Session = S>>(
        &mut self,
        rows: Vec<StoredRow>,
        session: &S,
        patient: bool,
        deferred: &[MessageId],
        cx: &mut CustodyContext<'_, L>,
    ) -> Adopted {
        let holder = cx.sessions.id(session);
        let mut adopted = Adopted {
            deliveries: Vec::with_capacity(rows.len()),
            last_seq: None,
            cut_short: false,
        };
        for row in rows {
            let envelope = row.envelope;
            match self.shared.claims().adopt(&envelope, holder) {
                Taken::Yes => {}
                Taken::Held if deferred.contains(&envelope.id) => {
                    adopted.last_seq = Some(row.seq);
                    adopted.deliveries.push(Delivery {
                        envelope,
                        ticket: None,
                        courtesy: true,
                    });
                    continue;
                }
                Taken::Held if patient => {
                    adopted.cut_short = true;
                    break;
                }
                Taken::Held | Taken::Passed => {
                    adopted.last_seq = Some(row.seq);
                    continue;
                }
                Taken::Undecided => {
                    adopted.cut_short = true;
                    break;
                }
            }
            adopted.last_seq = Some(row.seq);
            let ticket = self.admit(envelope, Origin::Node, false, None, None, cx.now.elapsed);
            if let Some(pending) = self.pending.get_mut(ticket) {
                pending.settled = true;
                pending.row = Row::Stored(row.reason);
                pending.holders.push(holder);
                let envelope = Arc::clone(&pending.envelope);
                adopted.deliveries.push(Delivery {
                    envelope,
                    ticket: Some(ticket),
                    courtesy: false,
                });
            }
            self.strip(ticket);
        }
        adopted
    }

    /// Takes rows into custody that another node moved and does not move any more, that waited for a fault to end, or that their recipient missed though it was here:
    /// in order.
    pub fn adopt_rows<L: LocalSessions<Session = S>>(
        &mut self,
        rows: Vec<StoredRow>,
        cx: &mut CustodyContext<'_, L>,
    ) {
        for row in rows {
            let envelope = row.envelope;
            let proven = self.shared.proven_lately().contains(&envelope.id);
            if self.guests.is_finished(&envelope.id) {
                continue;
            }
            let taken = self.shared.claims().take_left(&envelope);
            if !taken && !proven {
                continue;
            }
            let ticket = self.admit(envelope, Origin::Node, false, None, None, cx.now.elapsed);
            if let Some(pending) = self.pending.get_mut(ticket) {
                pending.settled = true;
                pending.row = Row::Stored(row.reason);
            }
            match proven {
                // As a guest of the node that is gone, which never heard of it.
                true => self.on_proven(ticket, cx),
                false => self.route(ticket, cx),
            }
        }
    }
}
