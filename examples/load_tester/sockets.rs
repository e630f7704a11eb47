//! Many non-blocking TCP connections on one epoll: bytes in, bytes out, nothing of what they mean.
//!
//! Edge-triggered, and read until a read comes back short, so a lone message costs one `recv` and no further look at
//! its socket; what is written during one turn of the loop goes out with one `send` per connection at its end.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::LoadError;

/// Events taken per turn: enough to batch, few enough that what they cause is not held back long.
const EVENTS_MAX: usize = 128;
/// A connection's output buffer is given back to the allocator above this size, once it is empty.
const IDLE_BUFFER_MAX: usize = 64 * 1024;

/// Number of a connection within its thread.
pub(crate) type ClientId = u32;

/// What epoll told about a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    pub(crate) id: ClientId,
    readable: bool,
    writable: bool,
    /// The peer has sent its last: read until nothing is left, because no further event will come.
    pub(crate) last: bool,
}

/// What became of a [`Readiness`].
#[derive(Debug)]
pub(crate) struct Progress {
    /// The connection has just been established.
    pub(crate) connected: bool,
    /// There is something to read, the end perhaps.
    pub(crate) readable: bool,
}

#[derive(Default)]
struct Connection {
    stream: Option<TcpStream>,
    connecting: bool,
    outgoing: Vec<u8>,
    /// How much of `outgoing` is written.
    written: usize,
    /// Whether it is in the list of those to flush.
    queued: bool,
    /// Whether there is no room to write, until epoll tells of some.
    blocked: bool,
}

/// The connections of one load thread.
pub(crate) struct Sockets {
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
    connections: Vec<Connection>,
    queued: Vec<ClientId>,
    broken: Vec<(ClientId, io::Error)>,
    targets: Vec<SocketAddr>,
    /// Which of the targets each connection goes to; empty where they go to each in turn.
    aims: Vec<u16>,
    first_source: Ipv4Addr,
    source_addresses: u8,
    idle_buffer_max: usize,
}

impl Sockets {
    /// Room for `count` connections, one after the other to each of `targets`, from 127.0.0.1 and the following `source_addresses` − 1,
    /// unless told otherwise.
    ///
    /// # Errors
    /// If the operating system gives no epoll.
    pub(crate) fn new(count: u32, targets: Vec<SocketAddr>, source_addresses: u8) -> Result<Self, LoadError> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).map_err(LoadError::io("creating an epoll"))?,
            ready: Vec::with_capacity(EVENTS_MAX),
            connections: (0..count).map(|_| Connection::default()).collect(),
            queued: Vec::new(),
            broken: Vec::new(),
            targets,
            aims: Vec::new(),
            first_source: Ipv4Addr::LOCALHOST,
            source_addresses,
            idle_buffer_max: IDLE_BUFFER_MAX,
        })
    }

    /// Has connections begin at this address and the following ones.
    pub(crate) fn come_from(&mut self, first: Ipv4Addr) {
        self.first_source = first;
    }

    /// Gives every output buffer back once it is empty: for many connections that do little.
    pub(crate) fn keep_no_buffers(&mut self) {
        self.idle_buffer_max = 0;
    }

    /// Other targets from now on.
    pub(crate) fn set_targets(&mut self, targets: Vec<SocketAddr>) {
        self.targets = targets;
    }

    /// Has `id` connect to this one of the targets from now on.
    pub(crate) fn aim(&mut self, id: ClientId, target: u16) {
        if self.aims.is_empty() {
            self.aims = vec![0; self.connections.len()];
        }
        if let Some(aim) = self.aims.get_mut(id as usize) {
            *aim = target;
        }
    }

    /// Begins to connect `id`; [`Progress::connected`] follows.
    ///
    /// # Errors
    /// If the operating system refuses at once: no port or file left.
    pub(crate) fn connect(&mut self, id: ClientId) -> Result<(), LoadError> {
        let stream = self.begin_connect(id).map_err(LoadError::io("connecting"))?;
        let events =
            epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        epoll::add(
            &self.epoll,
            &stream,
            epoll::EventData::new_u64(u64::from(id)),
            events,
        )
        .map_err(LoadError::io("watching a connection"))?;
        if let Some(connection) = self.connections.get_mut(id as usize) {
            connection.outgoing.clear();
            connection.written = 0;
            connection.connecting = true;
            connection.blocked = true;
            connection.stream = Some(stream);
        }
        Ok(())
    }

    fn begin_connect(&self, id: ClientId) -> io::Result<TcpStream> {
        let target = self
            .targets
            .get(
                self.aims
                    .get(id as usize)
                    .map_or(id as usize % self.targets.len().max(1), |aim| usize::from(*aim)),
            )
            .copied()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let chosen = self.source_addresses > 1 || self.first_source != Ipv4Addr::LOCALHOST;
        if chosen && target.is_ipv4() {
            let further = id % u32::from(self.source_addresses);
            let source = Ipv4Addr::from(u32::from(self.first_source) + further);
            let source = SocketAddr::new(IpAddr::V4(source), 0);
            socket.bind(&source.into())?;
        }
        match socket.connect(&target.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        Ok(socket.into())
    }

    /// Waits for events, at most `timeout`, and moves them to `found`.
    ///
    /// # Errors
    /// If epoll fails.
    pub(crate) fn wait(&mut self, found: &mut Vec<Readiness>, timeout: Duration) -> Result<(), LoadError> {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        self.ready.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.ready), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(LoadError::io("waiting for sockets")(error)),
        }
        found.clear();
        found.extend(self.ready.iter().map(|event| {
            let (flags, data) = (event.flags, event.data);
            let ended = epoll::EventFlags::HUP | epoll::EventFlags::ERR;
            Readiness {
                id: data.u64() as ClientId,
                readable: flags.intersects(epoll::EventFlags::IN | ended),
                writable: flags.intersects(epoll::EventFlags::OUT | ended),
                last: flags.intersects(epoll::EventFlags::RDHUP | ended),
            }
        }));
        Ok(())
    }

    /// Finishes connecting, writes what waited for room, and says what is left to do.
    ///
    /// # Errors
    /// Why the connection failed.
    pub(crate) fn take_up(&mut self, readiness: Readiness) -> io::Result<Progress> {
        let nothing = Progress {
            connected: false,
            readable: false,
        };
        let Some(connection) = self.connections.get_mut(readiness.id as usize) else {
            return Ok(nothing);
        };
        let Some(stream) = connection.stream.as_ref() else {
            return Ok(nothing);
        };
        let mut progress = Progress {
            connected: false,
            readable: readiness.readable,
        };
        if connection.connecting {
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
            if stream.peer_addr().is_err() {
                // An event of this number's former connection.
                return Ok(nothing);
            }
            connection.connecting = false;
            progress.connected = true;
        }
        if connection.blocked && readiness.writable {
            connection.blocked = false;
            self.write(readiness.id)?;
        }
        Ok(progress)
    }

    /// Reads once.
    ///
    /// # Errors
    /// As `read(2)`; `WouldBlock` where there was nothing after all.
    pub(crate) fn read(&mut self, id: ClientId, buffer: &mut [u8]) -> io::Result<usize> {
        match self
            .connections
            .get_mut(id as usize)
            .and_then(|connection| connection.stream.as_mut())
        {
            Some(stream) => stream.read(buffer),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Where to append what shall be sent to `id`; it leaves with the next [`Sockets::flush`].
    /// `None` without a connection.
    pub(crate) fn outgoing(&mut self, id: ClientId) -> Option<&mut Vec<u8>> {
        let connection = self.connections.get_mut(id as usize)?;
        connection.stream.as_ref()?;
        if !connection.queued {
            connection.queued = true;
            self.queued.push(id);
        }
        Some(&mut connection.outgoing)
    }

    /// Bytes that `id` has not been able to write yet.
    pub(crate) fn backlog(&self, id: ClientId) -> usize {
        self.connections
            .get(id as usize)
            .map_or(0, |connection| connection.outgoing.len() - connection.written)
    }

    /// Writes all that was appended, and says whether there was anything. Connections that fail are found by
    /// [`Sockets::take_broken`].
    pub(crate) fn flush(&mut self) -> bool {
        let mut queued = std::mem::take(&mut self.queued);
        let any = !queued.is_empty();
        for id in queued.drain(..) {
            let Some(connection) = self.connections.get_mut(id as usize) else {
                continue;
            };
            connection.queued = false;
            if connection.blocked {
                continue;
            }
            if let Err(error) = self.write(id) {
                self.broken.push((id, error));
            }
        }
        self.queued = queued;
        any
    }

    /// A connection that failed while it was written to, and why.
    pub(crate) fn take_broken(&mut self) -> Option<(ClientId, io::Error)> {
        self.broken.pop()
    }

    /// Ends `id` at once.
    pub(crate) fn drop_connection(&mut self, id: ClientId) {
        if let Some(connection) = self.connections.get_mut(id as usize) {
            let queued = connection.queued;
            // Closing takes it out of the epoll as well: nothing else holds the descriptor.
            *connection = Connection {
                queued,
                ..Connection::default()
            };
        }
    }

    fn write(&mut self, id: ClientId) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(id as usize) else {
            return Ok(());
        };
        let Some(stream) = connection.stream.as_mut() else {
            return Ok(());
        };
        while connection.written < connection.outgoing.len() {
            match stream.write(&connection.outgoing[connection.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => connection.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.outgoing.drain(..connection.written);
                    connection.written = 0;
                    connection.blocked = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        connection.written = 0;
        if connection.outgoing.capacity() > self.idle_buffer_max {
            connection.outgoing = Vec::new();
        } else {
            connection.outgoing.clear();
        }
        Ok(())
    }
}
