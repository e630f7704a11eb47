//! Bounds that the protocol fixes. Those an operator may set come from the configuration.

/// Bytes of an app name (PROTOCOL.md, Identity).
pub const APP_NAME_LEN_MAX: usize = 32;
/// Bytes of an app id: a uuid or the like, and a bound on what a login has to be compared with.
pub const APP_ID_LEN_MAX: usize = 256;
/// Seconds by which the clocks of who signs tokens and who checks them may differ: a token is good until so long after its `exp`, and from so long before
/// its `nbf` (CONTRACT.md, HTTP).
pub const TOKEN_LEEWAY_S: u64 = 60;
/// Bytes of a `reference` (PROTOCOL.md, Transport).
pub const REFERENCE_LEN_MAX: usize = 256;
/// Recipients of one `GROUP_MESSAGE`, repetitions included.
pub const GROUP_RECIPIENTS_MAX: usize = 1000;
/// Messages of one `FETCH_MISSING_MESSAGES_REQUEST`; more is cut to this.
pub const FETCH_COUNT_MAX: u64 = 2000;
/// Ids of one `MESSAGE_ACK`: what a frame of the default size can hold, and a bound where frames may be larger.
pub const ACK_IDS_MAX: usize = 10_000;
/// Fetch requests of one session that wait for the one being served; more are refused.
pub const FETCHES_QUEUED_MAX: usize = 16;
/// Answers of asynchronous message handlers that one session may be waiting for before its socket is read no further.
pub const HANDLER_CALLS_MAX: usize = 16;
/// Rows read from the store at once for a fetch or a feed; memory is bounded by [`PAGE_BYTES_MAX`] too.
pub const PAGE_ROWS_MAX: u32 = 256;
/// Bytes read from the store at once for a fetch or a feed (one row more may pass it).
pub const PAGE_BYTES_MAX: usize = 256 * 1024;
/// Domains whose names a message carries along; what has passed so many waits before it goes on.
pub const HOPS_MAX: usize = 255;
