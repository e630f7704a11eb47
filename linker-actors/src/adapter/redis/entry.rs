//! How a session is written in a user's sorted set, and in its node's set of entries.

use linker_core::id::{NodeInstance, SessionId, UserId};
use linker_core::port::SessionRef;

/// `NODE/SESSION/`: what all lives of a session's member begin with.
pub(super) fn session(entry: &SessionRef) -> String {
    format!("{}/{}/", entry.node, entry.session)
}

/// `NODE/SESSION/LIFE/`: the member of the user's sorted set.
pub(super) fn member(entry: &SessionRef, life: u64) -> String {
    format!("{}/{}/{life}/", entry.node, entry.session)
}

/// `NODE/`: what all members of a node begin with.
pub(super) fn of_node(node: &NodeInstance) -> String {
    format!("{node}/")
}

/// The session and the life of a member.
pub(super) fn parse_member(user: UserId, member: &str) -> Option<(SessionRef, u64)> {
    let mut parts = member.split('/');
    let node: NodeInstance = parts.next()?.parse().ok()?;
    let session = SessionId(parts.next()?.parse().ok()?);
    let life = parts.next()?.parse().ok()?;
    Some((SessionRef { user, node, session }, life))
}

/// `USER/SESSION/LIFE`: the member of the node's set.
pub(super) fn of_user(entry: &SessionRef, life: u64) -> String {
    format!("{}/{}/{life}", entry.user, entry.session)
}

/// The session and the life of a member of the node's set.
pub(super) fn parse_of_user(node: &NodeInstance, text: &str) -> Option<(SessionRef, u64)> {
    let mut parts = text.split('/');
    let user: UserId = parts.next()?.parse().ok()?;
    let session = SessionId(parts.next()?.parse().ok()?);
    let life = parts.next()?.parse().ok()?;
    let node = node.clone();
    Some((SessionRef { user, node, session }, life))
}

#[cfg(test)]
mod tests {
    use linker_core::port::SessionRef;

    use super::{member, of_user, parse_member, parse_of_user, session};

    fn sample() -> SessionRef {
        SessionRef {
            user: "ANZ-7".parse().expect("a user"),
            node: "a-b.c_d~00000000000000ff".parse().expect("a node"),
            session: linker_core::id::SessionId(42),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let entry = sample();
        let written = member(&entry, 3);
        assert!(written.starts_with(&session(&entry)));
        assert_eq!(parse_member(entry.user, &written), Some((entry.clone(), 3)));
        assert_eq!(parse_of_user(&entry.node, &of_user(&entry, 3)), Some((entry, 3)));
    }

    #[test]
    fn what_is_no_entry_is_none() {
        let entry = sample();
        for text in [
            "",
            "/",
            "x/1/2/",
            "a~00000000000000ff/x/1/",
            "a~00000000000000ff/1",
        ] {
            assert_eq!(parse_member(entry.user, text), None);
            assert_eq!(parse_of_user(&entry.node, text), None);
        }
    }
}
