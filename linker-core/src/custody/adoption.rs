//! Rows of the store that a session asked for, taken into custody.

use std::sync::Arc;

use super::claims::Taken;
use super::delivery::Delivery;
use super::effect::Origin;
use super::pending::Row;
use super::router::{Custody, CustodyContext};
use super::sessions::LocalSessions;
use crate::port::{StoredRow, WaitReason};

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
    /// Takes rows of the store into custody for one session, in order. Rows in other hands are passed over; at one whose router has not decided yet
    /// what becomes of it the page ends, so that nothing overtakes it.
    pub fn adopt<L: LocalSessions<Session = S>>(
        &mut self,
        rows: Vec<StoredRow>,
        session: &S,
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
            match self.shared.claims().take(envelope.to, envelope.id) {
                Taken::Yes => {}
                Taken::Elsewhere => {
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
                pending.row = Row::Stored(WaitReason::Absent);
                pending.holders.push(holder);
                let envelope = Arc::clone(&pending.envelope);
                adopted.deliveries.push(Delivery {
                    envelope,
                    ticket: Some(ticket),
                    courtesy: false,
                });
            }
        }
        adopted
    }
}
