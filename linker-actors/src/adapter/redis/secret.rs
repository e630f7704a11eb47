//! The secret that the nodes of a domain share.

use deadpool_redis::redis::cmd;
use linker_core::port::PresenceError;

use super::batch::Line;
use super::presence::Registry;

impl Registry {
    pub(super) async fn secret(&self, proposed: Vec<u8>) -> Result<Vec<u8>, PresenceError> {
        let mut line = Line::shared(self).await?;
        let key = self.keys.secret();
        let (mut set, mut get) = (cmd("SET"), cmd("GET"));
        set.arg(&key).arg(proposed).arg("NX");
        get.arg(&key);
        let mut answers = line.ask(vec![set, get]).await?.into_iter().skip(1);
        line.read_next(&mut answers)
    }
}
