//! The scripts, by the hashes under which Redis keeps them.

use deadpool_redis::redis::{Cmd, Script, cmd};

#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) register: Source,
    pub(super) farewell: Source,
    pub(super) beat: Source,
    pub(super) leave: Source,
    pub(super) remains: Source,
    pub(super) begin_turn: Source,
    pub(super) end_turn: Source,
}

#[derive(Debug)]
pub(super) struct Source {
    text: &'static str,
    hash: String,
}

impl Source {
    fn new(text: &'static str) -> Self {
        let hash = Script::new(text).get_hash().to_owned();
        Self { text, hash }
    }

    /// A call, to which keys and then arguments are to be added.
    pub(super) fn call(&self, keys: usize) -> Cmd {
        let mut call = cmd("EVALSHA");
        call.arg(&self.hash).arg(keys);
        call
    }
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            register: Source::new(include_str!("scripts/register.lua")),
            farewell: Source::new(include_str!("scripts/farewell.lua")),
            beat: Source::new(include_str!("scripts/beat.lua")),
            leave: Source::new(include_str!("scripts/leave.lua")),
            remains: Source::new(include_str!("scripts/remains.lua")),
            begin_turn: Source::new(include_str!("scripts/begin_turn.lua")),
            end_turn: Source::new(include_str!("scripts/end_turn.lua")),
        }
    }

    /// Gives Redis all of them, which it forgets when it restarts.
    pub(super) fn load(&self) -> impl Iterator<Item = Cmd> {
        let all = [
            &self.register,
            &self.farewell,
            &self.beat,
            &self.leave,
            &self.remains,
            &self.begin_turn,
            &self.end_turn,
        ];
        all.into_iter().map(|source| {
            let mut load = cmd("SCRIPT");
            load.arg("LOAD").arg(source.text);
            load
        })
    }
}
