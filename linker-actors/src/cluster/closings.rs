//! Sessions of other nodes that are to be closed. The bus may lose the word of it, so it is repeated: a session that is gone is closed without harm, since
//! no other one of that node ever has its number.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linker_core::bus::BusFrame;
use linker_core::code::CloseCode;
use linker_core::id::UserId;
use linker_core::port::SessionRef;

use super::Cluster;
use crate::node::Node;

/// How often the word is repeated.
const REPEAT_EVERY: Duration = Duration::from_secs(1);
/// Times that it is repeated while the registry shows the session.
const REPEATS_MAX: u8 = 10;
/// Times that it is repeated for a session that the registry shows no more, whether it is gone or not.
const REPEATS_UNSEEN: u8 = 5;
/// Sessions for which it is repeated at one time; word of others goes out once.
const CLOSINGS_MAX: usize = 10_000;

/// Word that goes out again.
#[derive(Default)]
pub(super) struct Closings {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    of: HashMap<SessionRef, Closing>,
    /// A task sees to it.
    running: bool,
}

#[derive(Debug)]
struct Closing {
    code: CloseCode,
    left: u8,
    /// The registry shows it for as long as it is there.
    registered: bool,
}

/// What became of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Yes,
    /// The bus takes nothing for that node now.
    NotNow,
    /// That node lives no more.
    NoMore,
}

impl State {
    /// Answers whether a task is needed that is not there.
    fn add(&mut self, sessions: &[SessionRef], code: CloseCode, registered: bool) -> bool {
        let left = if registered { REPEATS_MAX } else { REPEATS_UNSEEN };
        for session in sessions {
            if self.of.len() >= CLOSINGS_MAX && !self.of.contains_key(session) {
                break;
            }
            let closing = Closing {
                code,
                left,
                registered,
            };
            self.of.insert(session.clone(), closing);
        }
        !self.of.is_empty() && !std::mem::replace(&mut self.running, true)
    }

    /// Those that the registry knows as long as they are there.
    fn registered(&self) -> HashSet<SessionRef> {
        let registered = self.of.iter().filter(|(_, closing)| closing.registered);
        registered.map(|(session, _)| session.clone()).collect()
    }

    /// Tells once more of each but those that are `gone`. Answers whether there is nothing left to do.
    fn repeat(
        &mut self,
        gone: &HashSet<SessionRef>,
        mut tell: impl FnMut(&SessionRef, CloseCode) -> Told,
    ) -> bool {
        self.of.retain(|session, closing| {
            if gone.contains(session) {
                return false;
            }
            match tell(session, closing.code) {
                Told::Yes => {
                    closing.left -= 1;
                    closing.left > 0
                }
                Told::NotNow => true,
                Told::NoMore => false,
            }
        });
        self.running = !self.of.is_empty();
        !self.running
    }
}

impl Closings {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    /// Closes sessions on other nodes that the registry shows.
    pub(crate) fn close(node: &Arc<Node>, sessions: &[SessionRef], code: CloseCode) {
        Self::close_all(node, sessions, code, true);
    }

    /// Closes sessions on other nodes that the registry shows no more.
    pub(crate) fn close_evicted(node: &Arc<Node>, sessions: &[SessionRef], code: CloseCode) {
        Self::close_all(node, sessions, code, false);
    }

    fn close_all(node: &Arc<Node>, sessions: &[SessionRef], code: CloseCode, registered: bool) {
        let Some(cluster) = &node.cluster else { return };
        for session in sessions {
            // Also one that this node hears of for the first time.
            let _ = Self::peer(node, &session.node);
            cluster.tell_close(session, code);
        }
        if cluster.closings.state().add(sessions, code, registered) {
            let closing = Arc::clone(node);
            node.backend.spawn(async move { repeat(&closing).await });
        }
    }

    fn tell_close(&self, session: &SessionRef, code: CloseCode) -> Told {
        let Some(peer) = self.peers.of(&session.node).filter(|peer| !peer.is_gone()) else {
            return Told::NoMore;
        };
        if peer.outbox.is_away() {
            return Told::NotNow;
        }
        peer.tell(&BusFrame::Close {
            user: session.user,
            session: Some(session.session),
            code: code.number(),
        });
        Told::Yes
    }

    /// Those of these sessions that the registry shows no more; none where it cannot tell.
    async fn unregistered(&self, mut sessions: HashSet<SessionRef>) -> HashSet<SessionRef> {
        if sessions.is_empty() || self.presence_is_away() {
            return HashSet::new();
        }
        let users: HashSet<UserId> = sessions.iter().map(|session| session.user).collect();
        match self.presence.lookup(users.into_iter().collect()).await {
            Ok(found) => {
                for session in found.iter().flatten() {
                    sessions.remove(session);
                }
                sessions
            }
            Err(_) => HashSet::new(),
        }
    }
}

/// Until there is nothing left to repeat.
async fn repeat(node: &Node) {
    let Some(cluster) = &node.cluster else { return };
    loop {
        tokio::time::sleep(REPEAT_EVERY).await;
        let registered = cluster.closings.state().registered();
        let gone = cluster.unregistered(registered).await;
        let tell = |session: &SessionRef, code| cluster.tell_close(session, code);
        if cluster.closings.state().repeat(&gone, tell) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use linker_core::code::CloseCode;
    use linker_core::testkit::sample::session;

    use super::{CLOSINGS_MAX, REPEATS_MAX, REPEATS_UNSEEN, State, Told};

    /// How often it is told of, before there is nothing left to do.
    fn repeats(state: &mut State) -> usize {
        let mut told = 0;
        while !state.repeat(&HashSet::new(), |_, _| {
            told += 1;
            Told::Yes
        }) {}
        told
    }

    #[test]
    fn word_is_repeated_so_often_and_no_more() {
        let mut state = State::default();
        assert!(state.add(&[session(1, 2, 3)], CloseCode::ClosedByMaster, true));
        assert!(!state.add(&[session(1, 2, 3)], CloseCode::ClosedByMaster, true));
        assert_eq!(repeats(&mut state), usize::from(REPEATS_MAX));
        assert!(state.add(&[session(1, 2, 4)], CloseCode::Replaced, false));
        assert_eq!(repeats(&mut state), usize::from(REPEATS_UNSEEN));
        assert!(!state.add(&[], CloseCode::Replaced, false));
    }

    #[test]
    fn of_what_is_gone_there_is_no_word() {
        let mut state = State::default();
        let (gone, there) = (session(1, 2, 3), session(1, 2, 4));
        state.add(&[gone.clone(), there.clone()], CloseCode::ClosedByMaster, true);
        assert_eq!(state.registered().len(), 2);
        let mut told = Vec::new();
        state.repeat(&HashSet::from([gone]), |session, _| {
            told.push(session.clone());
            Told::Yes
        });
        assert_eq!(told, std::slice::from_ref(&there));
        assert!(state.repeat(&HashSet::new(), |_, _| Told::NoMore));
    }

    #[test]
    fn word_that_the_bus_does_not_take_does_not_count() {
        let mut state = State::default();
        state.add(&[session(1, 2, 3)], CloseCode::Replaced, false);
        for _ in 0..100 {
            assert!(!state.repeat(&HashSet::new(), |_, _| Told::NotNow));
        }
        assert_eq!(repeats(&mut state), usize::from(REPEATS_UNSEEN));
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        let mut state = State::default();
        for number in 0..CLOSINGS_MAX as u64 + 10 {
            state.add(&[session(1, 2, number)], CloseCode::Replaced, false);
        }
        assert_eq!(state.of.len(), CLOSINGS_MAX);
    }
}
