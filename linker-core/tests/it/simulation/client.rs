//! Clients, and the network between them and the node.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use linker_core::app::{AuthMethod, ClientApp, ClientApps};
use linker_core::code::CloseCode;
use linker_core::directory::Directory;
use linker_core::id::UserId;
use linker_core::network::Domain;

use super::checker::Message;
use super::plan::Plan;
use super::sim::{Event, Sim, trace};

#[derive(Debug)]
pub(crate) enum ClientItem {
    Text(String),
    Pong(u64),
    Close,
}

#[derive(Debug)]
pub(crate) enum ServerItem {
    Text(String),
    Ping(u64),
    Close(CloseCode),
}

/// One device of a user.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) user: UserId,
    pub(crate) connection: Option<usize>,
    /// Numbers of what it has sent and wants to hear of.
    pub(super) unanswered: Vec<u32>,
}

/// One connection, from both ends.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: usize,
    /// The node it is with.
    pub(super) place: usize,
    pub(super) client_ack: bool,
    pub(crate) logged_in: bool,
    pub(crate) logged_in_at: Duration,
    pub(super) to_server: VecDeque<(Duration, ClientItem)>,
    pub(super) to_client: VecDeque<(Duration, ServerItem)>,
    pub(super) to_client_bytes: usize,
    pub(super) client_open: bool,
    pub(super) server_open: bool,
    /// When the server's end was gone.
    pub(crate) ended_at: Duration,
    pub(super) stalled: bool,
    /// Messages read and not acknowledged yet.
    pub(super) acks: Vec<String>,
    /// It will never acknowledge anything.
    pub(super) forgetful: bool,
}

pub(crate) fn user(number: u64) -> UserId {
    format!("ANZ-{number}").parse().unwrap()
}

pub(crate) fn directory(master: bool) -> Directory {
    let app = ClientApp {
        app_name: "ANZ".parse().unwrap(),
        app_id: "app".to_owned(),
        master: master.then(|| user(0)),
        isolated: false,
        auth: AuthMethod::None,
    };
    let apps = ClientApps::new(vec![app]).unwrap();
    Directory::single(Domain::named("domain-01".parse().unwrap()), Arc::new(apps))
}

impl Connection {
    /// To both ends.
    pub(crate) fn is_open(&self) -> bool {
        self.logged_in && self.client_open && self.server_open
    }
}

impl Client {
    pub(crate) fn all(plan: &Plan) -> Vec<Self> {
        let devices = (0..plan.users).flat_map(|number| (0..plan.devices).map(move |_| number));
        let client = |number| Self {
            user: user(number),
            connection: None,
            unanswered: Vec::new(),
        };
        devices.map(client).collect()
    }
}

impl Sim {
    /// A client does something, and will do something else later.
    pub(crate) fn client_acts(&mut self, client: usize) {
        if self.healed {
            return;
        }
        let pause = self.rng.up_to(self.plan.pause);
        self.schedule_in_world(pause, Event::ClientActs(client));
        let Some(connection) = self.clients[client].connection else {
            if self.rng.percent(50) {
                let client_ack = self.rng.percent(self.plan.client_acks);
                let replay = self.rng.percent(self.plan.replays);
                self.connect(client, client_ack, replay);
            }
            return;
        };
        let act = self.rng.below(100);
        if act < self.plan.cuts {
            self.cut(connection);
        } else if !self.connections[connection].logged_in || self.connections[connection].stalled {
        } else if act < self.plan.cuts + self.plan.stalls {
            trace!(self, "connection {connection}: reads no more");
            self.connections[connection].stalled = true;
            let after = self.rng.up_to(Duration::from_secs(5));
            self.schedule_in_world(after, Event::ClientResumes(connection));
        } else {
            self.say_something(client, connection);
        }
    }

    fn say_something(&mut self, client: usize, connection: usize) {
        match self.rng.below(100) {
            0..10 => {
                let count = 1 + self.rng.below(10);
                let fetch =
                    format!(r#"{{"type":"FETCH_MISSING_MESSAGES_REQUEST","data":{{"count":{count}}}}}"#);
                self.say(connection, fetch);
            }
            10..12 => self.say(connection, r#"{"type":"PING"}"#.to_owned()),
            12..15 => {
                let target = self.some_user();
                let close = format!(r#"{{"type":"CLOSE_CONNECTION","data":{{"userId":"{target}"}}}}"#);
                self.say(connection, close);
            }
            15..18 => {
                let author = self.some_user();
                let read =
                    format!(r#"{{"type":"MESSAGE_READ","data":{{"to":"{author}","reference":"read"}}}}"#);
                self.say(connection, read);
            }
            _ if self.rng_says_again() => self.say_again(client, connection),
            _ => self.send_message(client, connection),
        }
    }

    fn some_user(&mut self) -> UserId {
        user(self.rng.below(self.plan.users))
    }

    fn rng_says_again(&mut self) -> bool {
        self.plan.repetitions > 0 && self.rng.percent(self.plan.repetitions)
    }

    /// A client sends again what it has sent lately, whatever it has heard of it: it may have forgotten that.
    fn say_again(&mut self, client: usize, connection: usize) {
        let user = self.clients[client].user;
        let newest = self.checker.messages.iter().enumerate().rev();
        let own = newest.filter(|(_, message)| message.from == user && message.has_reference());
        let lately: Vec<usize> = own.take(5).map(|(number, _)| number).collect();
        if lately.is_empty() {
            return;
        }
        let number = lately[self.rng.below(lately.len() as u64) as usize];
        let unanswered = &mut self.clients[client].unanswered;
        if !unanswered.contains(&(number as u32)) {
            unanswered.push(number as u32);
        }
        let frame = self.checker.messages[number].frame.clone();
        self.say(connection, frame);
    }

    fn send_message(&mut self, client: usize, connection: usize) {
        let number = self.checker.messages.len() as u32;
        let group = self.rng.percent(8);
        let reliable = self.rng.percent(85);
        let reference = !group && self.rng.percent(80);
        let confirm = reference && self.rng.percent(90);
        let pad = "x".repeat(self.rng.pick(&[0, 0, 100, 900]));
        let content = format!(r#"{{"n":{number}, "pad":"{pad}"}}"#);
        let feature = if reliable { "RELIABLE" } else { "FAST" };
        let mut to = vec![self.some_user()];
        if group {
            to.push(self.some_user());
            to.sort();
            to.dedup();
        }
        let names: Vec<String> = to.iter().map(|user| format!("\"{user}\"")).collect();
        let (kind, recipients) = match group {
            true => ("GROUP_MESSAGE", format!("[{}]", names.join(","))),
            false => ("MESSAGE", names.concat()),
        };
        let named = match reference {
            true => format!(r#","reference":"r{number}","confirmationEnabled":{confirm}"#),
            false => String::new(),
        };
        let frame = format!(
            r#"{{"type":"{kind}","data":{{"to":{recipients},"content":{content}}},"feature":"{feature}"{named}}}"#
        );
        if reference && reliable {
            self.clients[client].unanswered.push(number);
        }
        self.checker.messages.push(Message {
            from: self.clients[client].user,
            reliable,
            confirm,
            content,
            frame: frame.clone(),
            ..Message::default()
        });
        self.say(connection, frame);
    }

    /// Opens a connection and logs in.
    pub(crate) fn connect(&mut self, client: usize, client_ack: bool, replay: bool) {
        let Some(place) = self.some_node() else {
            return;
        };
        let number = self.connections.len();
        self.connections.push(Connection {
            client,
            place,
            client_ack,
            logged_in: false,
            logged_in_at: Duration::MAX,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            to_client_bytes: 0,
            client_open: true,
            server_open: true,
            ended_at: Duration::MAX,
            stalled: false,
            acks: Vec::new(),
            forgetful: !self.healed && self.rng.percent(10),
        });
        let user = self.clients[client].user;
        trace!(
            self,
            "connection {number}: {user} connects to node {place}, client_ack {client_ack}, replay {replay}"
        );
        self.clients[client].connection = Some(number);
        self.at = place;
        self.open_session(number);
        let ack = if client_ack { "client" } else { "transport" };
        let options = format!(r#"{{"ack":"{ack}","accepted":true,"replay":{replay}}}"#);
        self.say(
            number,
            format!(
                r#"{{"type":"AUTH_CLIENT","data":{{"appId":"app","userId":"{user}","options":{options}}}}}"#
            ),
        );
    }

    /// The client loses its connection, in one of the ways there are.
    fn cut(&mut self, connection: usize) {
        match self.rng.below(3) {
            // A close frame, behind everything that was said.
            0 => {
                trace!(self, "connection {connection}: the client closes");
                self.send_item(connection, ClientItem::Close);
                self.forget_connection(connection);
            }
            // The stream breaks; what was on its way is lost.
            1 => {
                trace!(self, "connection {connection}: breaks");
                self.forget_connection(connection);
                let now = self.now;
                self.connections[connection]
                    .to_server
                    .retain(|(at, _)| *at <= now);
                let after = self.rng.up_to(self.plan.network);
                self.schedule_at(connection, after, Event::ServerSeesEnd(connection));
            }
            // Nobody tells the server.
            _ => {
                trace!(self, "connection {connection}: falls silent");
                self.forget_connection(connection);
                self.connections[connection].to_server.clear();
            }
        }
    }

    pub(super) fn forget_connection(&mut self, connection: usize) {
        let ended = &mut self.connections[connection];
        ended.client_open = false;
        let client = &mut self.clients[ended.client];
        if client.connection == Some(connection) {
            client.connection = None;
        }
    }

    pub(super) fn say(&mut self, connection: usize, text: String) {
        trace!(self, "connection {connection}: <- {text}");
        self.send_item(connection, ClientItem::Text(text));
    }

    pub(super) fn send_item(&mut self, connection: usize, item: ClientItem) {
        let arrives = self.now + self.rng.up_to(self.plan.network);
        let way = &mut self.connections[connection].to_server;
        let arrives = way.back().map_or(arrives, |(last, _)| arrives.max(*last));
        way.push_back((arrives, item));
        let after = arrives - self.now;
        self.schedule_at(connection, after, Event::ServerReads(connection));
    }

    /// The next that has arrived at the server by now.
    pub(crate) fn arrived_at_server(&mut self, connection: usize) -> Option<ClientItem> {
        let way = &mut self.connections[connection].to_server;
        way.pop_front_if(|(at, _)| *at <= self.now).map(|(_, item)| item)
    }

    /// Hands bytes to the server's socket, or hands them back when its buffer is full.
    pub(crate) fn write_socket(&mut self, connection: usize, item: ServerItem) -> Result<(), ServerItem> {
        let cost = item.cost();
        let to = &mut self.connections[connection];
        if to.to_client_bytes > 0
            && to.to_client_bytes + cost > self.plan.socket_bytes
            && (to.stalled || !to.client_open)
        {
            return Err(item);
        }
        let arrives = self.now + self.rng.up_to(self.plan.network);
        let arrives = to
            .to_client
            .back()
            .map_or(arrives, |(last, _)| arrives.max(*last));
        to.to_client.push_back((arrives, item));
        to.to_client_bytes += cost;
        let after = arrives - self.now;
        self.schedule_in_world(after, Event::ClientReads(connection));
        Ok(())
    }

    /// The server's end is gone: the client sees that after what was written before.
    pub(crate) fn server_dies(&mut self, connection: usize) {
        if std::mem::replace(&mut self.connections[connection].server_open, false) {
            self.connections[connection].ended_at = self.now;
            let after = self.rng.up_to(self.plan.network);
            self.schedule_in_world(after + self.plan.network, Event::ClientReads(connection));
        }
    }
}

impl ServerItem {
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Ping(_) | Self::Close(_) => 16,
        }
    }
}
