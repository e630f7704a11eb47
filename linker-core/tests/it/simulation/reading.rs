//! What clients read, and what they answer to it.

use std::time::Duration;

use linker_core::id::UserId;
use serde_json::Value;

use super::client::{ClientItem, ServerItem};
use super::sim::{Event, Sim, trace};

impl Sim {
    pub(crate) fn client_resumes(&mut self, connection: usize) {
        self.connections[connection].stalled = false;
        self.client_reads(connection);
    }

    pub(crate) fn client_reads(&mut self, connection: usize) {
        loop {
            let from = &mut self.connections[connection];
            if !from.client_open || from.stalled {
                return;
            }
            match from.to_client.front() {
                Some((at, _)) if *at <= self.now => {}
                Some(_) => break,
                None if from.server_open => break,
                None => {
                    self.forget_connection(connection);
                    return;
                }
            }
            let Some((_, item)) = from.to_client.pop_front() else {
                break;
            };
            from.to_client_bytes -= item.cost();
            self.client_reads_item(connection, item);
        }
        // There is room in the socket again.
        self.schedule_at(connection, Duration::ZERO, Event::SessionTick(connection));
    }

    fn client_reads_item(&mut self, connection: usize, item: ServerItem) {
        match item {
            ServerItem::Ping(number) => {
                if self.connections[connection].server_open {
                    self.send_item(connection, ClientItem::Pong(number));
                }
            }
            ServerItem::Close(code) => {
                trace!(
                    self,
                    "connection {connection}: the client reads close {}",
                    code.number()
                );
                self.send_item(connection, ClientItem::Close);
                self.forget_connection(connection);
            }
            ServerItem::Text(json) => {
                let frame: Value = serde_json::from_str(&json).expect("the server sends JSON");
                self.client_reads_frame(connection, &frame, &json);
            }
        }
    }

    fn client_reads_frame(&mut self, connection: usize, frame: &Value, json: &str) {
        let client = self.connections[connection].client;
        let user = self.clients[client].user;
        let id = frame["id"].as_str().map(str::to_owned);
        let number = |reference: &Value| reference.as_str()?.strip_prefix('r')?.parse::<u32>().ok();
        match frame["type"].as_str().expect("a type") {
            "AUTH_CLIENT_REPLY" => {
                if frame["data"]["isAuthenticated"] != true {
                    assert!(self.plan.presence_faults + self.plan.cut_offs > 0, "{json}");
                    return;
                }
                self.connections[connection].logged_in = true;
                self.connections[connection].logged_in_at = self.now;
                self.resend(client, connection);
            }
            "MESSAGE" => self.checker.received(user, connection, frame, json),
            "MESSAGE_CONFIRMATION" => {
                let number = number(&frame["data"]["reference"]).expect("a reference of ours");
                self.checker.confirmed(user, number, self.now);
                self.answered(user, number);
            }
            "MESSAGE_ACCEPTED" => {
                let number = number(&frame["data"]["reference"]).expect("a reference of ours");
                self.checker.accepted(user, number);
                self.answered(user, number);
            }
            "ERROR" => {
                let code = frame["data"]["code"].as_str().expect("a code");
                let expected = [
                    "UNAVAILABLE",
                    "INBOX_FULL",
                    "FORBIDDEN",
                    "USER_NOT_CONNECTED",
                    "RATE_LIMITED",
                ];
                assert!(expected.contains(&code), "{json}");
                if let Some(number) = number(&frame["reference"]) {
                    self.checker.told_of_refusal(number);
                    self.answered(user, number);
                }
            }
            "FETCH_MISSING_MESSAGES_COMPLETE"
            | "PONG"
            | "MESSAGE_READ"
            | "USER_CONNECTED"
            | "USER_DISCONNECTED" => {}
            other => panic!("unknown type {other}"),
        }
        let from = &mut self.connections[connection];
        if let (Some(id), true, "RELIABLE" | "") =
            (id, from.client_ack, frame["feature"].as_str().unwrap_or_default())
        {
            if from.forgetful {
                return;
            }
            from.acks.push(id);
            let after = self.rng.up_to(Duration::from_millis(200));
            self.schedule_in_world(after, Event::ClientAcks(connection));
        }
    }

    fn answered(&mut self, user: UserId, number: u32) {
        for client in self.clients.iter_mut().filter(|client| client.user == user) {
            client.unanswered.retain(|unanswered| *unanswered != number);
        }
    }

    /// What was not answered before the connection broke is sent again, under the same reference.
    fn resend(&mut self, client: usize, connection: usize) {
        for number in self.clients[client].unanswered.clone() {
            if self.healed || self.rng.percent(70) {
                let frame = self.checker.messages[number as usize].frame.clone();
                self.say(connection, frame);
            }
        }
    }

    pub(crate) fn client_acks(&mut self, connection: usize) {
        let from = &mut self.connections[connection];
        if !from.client_open || !from.server_open || from.acks.is_empty() {
            return;
        }
        let ids: Vec<String> = from.acks.drain(..).map(|id| format!("\"{id}\"")).collect();
        self.say(
            connection,
            format!(r#"{{"type":"MESSAGE_ACK","data":{{"ids":[{}]}}}}"#, ids.join(",")),
        );
    }

    /// All clients hang up.
    pub(crate) fn hang_up(&mut self) {
        for client in 0..self.clients.len() {
            if let Some(connection) = self.clients[client].connection {
                self.send_item(connection, ClientItem::Close);
                self.forget_connection(connection);
            }
        }
    }
}
