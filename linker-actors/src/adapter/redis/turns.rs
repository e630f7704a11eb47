//! Which node serves the fetches of a user. Both keys lapse by themselves, should their nodes die.

use deadpool_redis::redis::Value;
use linker_core::id::{NodeInstance, UserId};
use linker_core::port::{PresenceError, TURN_ASK_TIME, TURN_TIME, Turn};

use super::batch::Line;
use super::presence::Registry;

impl Registry {
    pub(super) async fn begin_turn(&self, user: UserId, node: NodeInstance) -> Result<Turn, PresenceError> {
        let mut line = Line::shared(self).await?;
        let mut begin = self.scripts.begin_turn.call(2);
        begin
            .arg(self.keys.turn(&user))
            .arg(self.keys.next_turn(&user))
            .arg(node.to_string())
            .arg(TURN_TIME.as_millis() as u64)
            .arg(TURN_ASK_TIME.as_millis() as u64);
        let mut answers = line.ask(vec![begin]).await?.into_iter();
        let (ours, wanted): (bool, bool) = line.read_next(&mut answers)?;
        Ok(if ours { Turn::Ours { wanted } } else { Turn::Theirs })
    }

    pub(super) async fn end_turn(&self, user: UserId, node: NodeInstance) -> Result<(), PresenceError> {
        let mut line = Line::shared(self).await?;
        let mut end = self.scripts.end_turn.call(2);
        end.arg(self.keys.turn(&user))
            .arg(self.keys.next_turn(&user))
            .arg(node.to_string());
        line.ask(vec![end]).await.map(|_: Vec<Value>| ())
    }
}
