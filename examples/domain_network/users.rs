//! Who is here, and who stays away.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Outcome;
use crate::journal::Journal;
use crate::network::Network;
use crate::user::User;

/// Users who may be here at once.
const USERS_MAX: usize = 100;

/// Users by their ids; `None` is away on purpose.
pub(crate) struct Users {
    users: BTreeMap<String, Option<User>>,
    pub(crate) journal: Arc<Journal>,
}

impl Users {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        Self {
            users: BTreeMap::new(),
            journal,
        }
    }

    /// Logs in, and stays.
    pub(crate) async fn online(&mut self, network: &Network, id: &str) -> Outcome<()> {
        if matches!(self.users.get(id), Some(Some(_))) {
            return Ok(());
        }
        let home = network.home_of(id)?;
        if self.users.len() >= USERS_MAX && !self.users.contains_key(id) {
            return Err(format!("there are {USERS_MAX} users already").into());
        }
        let user = User::log_in(&network.url(home), id, Arc::clone(&self.journal)).await?;
        self.users.insert(id.to_owned(), Some(user));
        Ok(())
    }

    /// Leaves, and stays away until told to come back.
    pub(crate) async fn offline(&mut self, network: &Network, id: &str) -> Outcome<()> {
        network.home_of(id)?;
        if let Some(Some(user)) = self.users.insert(id.to_owned(), None) {
            user.leave().await?;
        }
        say!("*    {id} is away");
        Ok(())
    }

    /// Sends a message; who is named for the first time comes first. Answers its number.
    pub(crate) async fn send(&mut self, network: &Network, from: &str, to: &str, text: &str) -> Outcome<u32> {
        for id in [from, to] {
            if !self.users.contains_key(id) {
                self.online(network, id).await?;
            }
        }
        let Some(Some(sender)) = self.users.get(from) else {
            return Err(format!("{from} is away: `online {from}` first").into());
        };
        let (number, reference) = self.journal.sent();
        say!("#{number:<3} from {from} to {to}");
        if let Err(error) = sender.message(to, text, &reference).await {
            // It may have ended long ago, unnoticed since.
            self.users.remove(from);
            return Err(format!("{from}: {error}").into());
        }
        Ok(number)
    }
}
