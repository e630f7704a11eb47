//! What the authenticators log. Tests run side by side, so each looks at the lines of its own thread, or for a text that only it can cause.

use std::fmt::{Debug, Write};
use std::sync::{Mutex, OnceLock};
use std::thread::{self, ThreadId};

use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Metadata, Subscriber};

static LINES: Mutex<Vec<(ThreadId, String)>> = Mutex::new(Vec::new());

/// Starts to record. To be called before anything may log, also by tests that look at no line: where one thread meets a line for the first time while
/// another sets the subscriber, `tracing` may believe for good that nobody is interested in it.
pub(super) fn record() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        tracing::subscriber::set_global_default(Recorder).expect("the only global subscriber of these tests");
    });
}

/// The lines so far that contain `text`, of any thread.
pub(super) fn lines_with(text: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap();
    let lines = lines.iter().map(|(_, line)| line);
    lines.filter(|line| line.contains(text)).cloned().collect()
}

/// The lines so far of this thread: of this test, where its runtime has no other thread.
pub(super) fn own_lines() -> Vec<String> {
    let lines = LINES.lock().unwrap();
    let own = lines
        .iter()
        .filter(|(thread, _)| *thread == thread::current().id());
    own.map(|(_, line)| line.clone()).collect()
}

struct Recorder;

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("linker_actors::adapter::auth")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.lock().unwrap().push((thread::current().id(), line.0));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string takes all");
    }
}
