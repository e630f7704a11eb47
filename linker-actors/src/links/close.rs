//! A master closes the sessions of a user who lives in another domain.

use std::sync::Arc;

use linker_core::bus::BusFrame;
use linker_core::code::{CloseCode, ErrorCode, FrameError};
use linker_core::custody::{Origin, Submission};
use linker_core::envelope::{Envelope, Feature};
use linker_core::id::{DomainName, UserId};
use linker_core::link::settling::left;

use super::refusal::refusal;
use crate::node::Node;
use crate::router::RouterMail;

/// Asks the user's domain to close all sessions of a user. Whether the question is on its way; it may be lost.
pub(crate) fn close_away(
    node: &Node,
    home: &DomainName,
    user: UserId,
    master: UserId,
    reference: Option<Box<str>>,
    path: &[DomainName],
) -> bool {
    let own = node.directory().own_domain().clone();
    let frame = BusFrame::CloseAway {
        user,
        master,
        reference,
        path: left(path, &own),
    };
    let hop = node.links.way(home).hop();
    hop.is_some_and(|hop| hop.offer_frame(&frame))
}

/// What another domain asks: done where the user lives here, passed on otherwise.
pub(super) async fn on_close_away(
    node: &Arc<Node>,
    user: UserId,
    master: UserId,
    reference: Option<Box<str>>,
    path: Vec<DomainName>,
) {
    let directory = Arc::clone(&node.directory());
    if directory.home_away_of(&master).is_none() {
        // A master who lives here asks here, and what came round to this domain again goes on to nobody.
        tracing::debug!(user.id = %user, "another domain wants a user closed for a master who lives here");
        return;
    }
    if let Some(home) = directory.home_away_of(&user) {
        // FAST does not wait for tables to agree.
        if !path.contains(directory.own_domain()) {
            close_away(node, home, user, master, reference, &path);
        }
        return;
    }
    let is_master = directory
        .app_of(user.app())
        .is_some_and(|app| app.is_master(&master));
    if !is_master {
        tracing::warn!(user.id = %user, "another domain wants a user closed for somebody who is not the master");
        return;
    }
    let here = node.close_user(&user, CloseCode::ClosedByMaster);
    let found = here + node.close_elsewhere(user, CloseCode::ClosedByMaster).await;
    if found > 0 {
        return;
    }
    let error = FrameError::new(ErrorCode::UserNotConnected, format!("{user} is not connected"));
    let answer = Envelope {
        feature: Feature::Fast,
        ..refusal(user, master, reference, &error, node.clock.now().unix_ms)
    };
    submit(node, answer).await;
}

async fn submit(node: &Arc<Node>, envelope: Envelope) {
    let submission = Submission {
        envelope,
        origin: Origin::Node,
        accepted: false,
    };
    if let Some(router) = node.routers.recipient(0) {
        let _ = router.send(RouterMail::Submit(Box::new(submission))).await;
    }
}
