//! Traces of messages, as far as they need no clock and no collector: which messages are traced, and how spans of different nodes and domains find one another.
//!
//! **A message's id is its trace's id.** So nothing has to travel with it. Whether it is traced follows from the id too ([`Sampling`]): all nodes with the same ratio
//! decide alike, and one with a larger ratio traces all that others do. The one span that others hang below, [`SpanId::of_domain`], has an id that follows from
//! the message and the domain: any node can name it as a parent, also of another domain and after a restart.

use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::envelope::Envelope;
use crate::id::{DomainName, MessageId};

/// Of a confirmation's id this byte differs from that of its message ([`MessageId::of_confirmation`]); it counts for nothing here, so that both are traced or neither.
const CONFIRMATION_BYTE: usize = 11;

/// Which messages are traced: a share of all, the same ones on every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sampling {
    /// Traced is what hashes to less than this; 0: nothing.
    below: u64,
}

impl Sampling {
    /// No message.
    pub const NONE: Self = Self { below: 0 };

    /// This share of all messages, from 0 (none) to 1 (all). What is outside of that, or no number, counts as the nearer of the two.
    pub fn of_ratio(ratio: f64) -> Self {
        let below = match ratio {
            ratio if ratio >= 1.0 => u64::MAX,
            // 2^64, which is what the conversion of 1.0 would saturate at.
            ratio if ratio > 0.0 => (ratio * 18_446_744_073_709_551_616.0) as u64,
            _ => 0,
        };
        Self { below }
    }

    /// Whether any message is traced.
    pub fn is_on(self) -> bool {
        self.below != 0
    }

    /// An id for which [`Sampling::takes`] is true, and that differs from this one only in what was random: for a message that is to be traced whatever the ratio. The same id
    /// where none was found, as with a ratio of 0 or of less than about 0.00005.
    pub fn like(self, id: MessageId) -> MessageId {
        /// Where bits are random in every id and count: version, variant, time and counter stay, and so does the byte of confirmations.
        const RANDOM: std::ops::Range<usize> = 8..11;
        const RANDOM_BITS: u32 = 22;
        /// A millisecond's worth, and enough for one in ten thousand.
        const TRIES: u32 = 1 << 18;
        if self.takes(&id) || !self.is_on() {
            return id;
        }
        let mut bytes = *id.as_bytes();
        let [first, second, third] = [bytes[8], bytes[9], bytes[10]];
        let random = u32::from_be_bytes([0, first, second, third]);
        let kept = random >> RANDOM_BITS << RANDOM_BITS;
        (1..=TRIES)
            .map(|step| {
                let other = kept | (random.wrapping_add(step) & ((1 << RANDOM_BITS) - 1));
                bytes[RANDOM].copy_from_slice(&other.to_be_bytes()[1..]);
                MessageId::from_bytes(bytes)
            })
            .find(|id| self.takes(id))
            .unwrap_or(id)
    }

    /// Whether the message of this id is traced.
    #[inline]
    pub fn takes(self, id: &MessageId) -> bool {
        // Of most nodes it is 0: they compute nothing.
        self.below != 0 && self.takes_hashed(id)
    }

    #[inline(never)]
    fn takes_hashed(self, id: &MessageId) -> bool {
        let mut bytes = *id.as_bytes();
        bytes[CONFIRMATION_BYTE] = 0;
        self.below == u64::MAX || hash(bytes) < self.below
    }
}

/// The id of a span, unique within its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

impl SpanId {
    /// From random bits.
    pub fn new(random: u64) -> Self {
        Self(NonZeroU64::new(random).unwrap_or(NonZeroU64::MIN))
    }

    /// The `n`th of a source with this random seed.
    pub fn nth(seed: u64, n: u64) -> Self {
        Self::new(mix(seed ^ mix(n)))
    }

    /// The span of a message in a domain, below which everything stands that happens to it there.
    pub fn of_domain(id: &MessageId, domain: &DomainName) -> Self {
        // FNV-1a over the name, then mixed with the id: the same on every node and in every version.
        let name = domain
            .as_str()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Self::new(mix(hash(*id.as_bytes()) ^ name))
    }

    /// Its 8 bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

/// A span of another service, as a `traceparent` header names it (W3C Trace Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace's id; never all zeros.
    pub trace: [u8; 16],
    /// The span's.
    pub span: SpanId,
    /// Whether the caller traces.
    pub is_sampled: bool,
}

/// The text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent of W3C Trace Context")]
pub struct TraceContextError;

impl FromStr for TraceContext {
    type Err = TraceContextError;

    /// Takes version 00, and of later versions what they have in common with it.
    fn from_str(text: &str) -> Result<Self, TraceContextError> {
        let mut parts = text.split('-');
        let mut next = |digits: usize| {
            let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            let part = parts
                .next()
                .filter(|part| part.len() == digits && part.bytes().all(lower_hex))?;
            u128::from_str_radix(part, 16).ok()
        };
        let parsed = (next(2), next(32), next(16), next(2));
        let (Some(version), Some(trace), Some(span), Some(flags)) = parsed else {
            return Err(TraceContextError);
        };
        let is_whole = parts.next().is_none();
        if version == 0xff || (version == 0 && !is_whole) || trace == 0 {
            return Err(TraceContextError);
        }
        let span = NonZeroU64::new(span as u64).ok_or(TraceContextError)?;
        Ok(Self {
            trace: trace.to_be_bytes(),
            span: SpanId(span),
            is_sampled: flags & 1 != 0,
        })
    }
}

/// Where a span of a message stands in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its own id; `None`: any that is new.
    pub id: Option<SpanId>,
    /// What it stands below.
    pub parent: Option<SpanId>,
}

impl Place {
    /// Of what happens to a message within the domain `own`.
    pub fn within(id: &MessageId, own: &DomainName) -> Self {
        Self {
            id: None,
            parent: Some(SpanId::of_domain(id, own)),
        }
    }

    /// Of the whole of what a domain does with a message: below what the domain before it did. Where a message has come again, what is done then stands below what was done first.
    pub fn of_domain(envelope: &Envelope, own: &DomainName) -> Self {
        let path = envelope.trail.as_ref().map_or(&[][..], |trail| &trail.path);
        if path.contains(own) {
            return Self::within(&envelope.id, own);
        }
        Self {
            id: Some(SpanId::of_domain(&envelope.id, own)),
            parent: before(envelope),
        }
    }

    /// Of how a message came from the domain before.
    pub fn of_arrival(envelope: &Envelope) -> Self {
        Self {
            id: None,
            parent: before(envelope),
        }
    }
}

fn before(envelope: &Envelope) -> Option<SpanId> {
    let last = envelope.trail.as_ref().and_then(|trail| trail.path.last());
    last.map(|domain| SpanId::of_domain(&envelope.id, domain))
}

/// What became of a message while one router had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Delivery was proven; or (FAST) a session has it.
    Delivered,
    /// It is in the store.
    Stored,
    /// FAST, and nobody took it.
    Dropped,
    /// Not taken, or not kept.
    Refused,
    /// The next domain has it.
    Forwarded,
    /// It repeats another.
    Duplicate,
    /// FAST, and another node has it.
    HandedOn,
    /// Another node's, which gets it back.
    GivenBack,
}

impl Fate {
    /// As in a span's attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Stored => "stored",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
            Self::Forwarded => "forwarded",
            Self::Duplicate => "duplicate",
            Self::HandedOn => "handed_on",
            Self::GivenBack => "given_back",
        }
    }
}

/// The time in which one router had a traced message, which is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// The message.
    pub envelope: Arc<Envelope>,
    /// Since when.
    pub since: Duration,
    /// How it ended.
    pub fate: Fate,
    /// What it was for this router.
    pub role: Role,
}

/// What a message is for the router that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is new to the domain: this is [`SpanId::of_domain`]'s span.
    New,
    /// It was here before: read from the store, or told of already.
    Again,
    /// Another node of the domain answers for it.
    Guest,
}

/// Evenly spread over all of `u64`; ids of one source differ in a few bits only.
fn hash(bytes: [u8; 16]) -> u64 {
    let bits = u128::from_be_bytes(bytes);
    mix((bits >> 64) as u64 ^ mix(bits as u64))
}

/// The finalizer of SplitMix64.
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
