//! Two users of one node, whom nothing that happens to others may disturb.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::{Client, Node, NodeConfig, fast, message, with};

/// Less than anything that waits for a service: the calls to those end after two seconds.
const UNNOTICED: Duration = Duration::from_millis(1900);
/// A loaded machine stands still now and then. Who waits for a service waits for it again and again, as long as it is away.
const STANDSTILLS: usize = 1;

/// FAST and RELIABLE to and fro on one node, until asked how it went.
pub(crate) struct LocalUsers {
    end: watch::Sender<bool>,
    talking: JoinHandle<Talk>,
    /// The same on a node that has no services to wait for: what is slow there too, the machine is.
    control: JoinHandle<Talk>,
    _control_node: Node,
}

/// How it went.
struct Talk {
    /// Rounds that took long.
    noticed: Vec<Duration>,
    rounds: usize,
}

impl LocalUsers {
    /// Users of this number and the next, of the app `XYZ`.
    pub(crate) async fn start(node: &Node, number: u32) -> Self {
        let control_node = NodeConfig::new().start().await;
        let end = watch::Sender::new(false);
        Self {
            talking: talk(node, number, end.subscribe()).await,
            control: talk(&control_node, number, end.subscribe()).await,
            _control_node: control_node,
            end,
        }
    }

    /// They never noticed.
    pub(crate) async fn noticed_nothing(self) {
        self.end.send_replace(true);
        let Talk { noticed, rounds } = self.talking.await.expect("nothing was lost or reordered");
        let control = self.control.await.expect("nor where there are no services");
        assert!(rounds > 5, "only {rounds} rounds prove little");
        assert!(
            noticed.len() <= STANDSTILLS + control.noticed.len(),
            "messages took {noticed:?}, and without services {:?}",
            control.noticed
        );
    }
}

async fn talk(node: &Node, number: u32, ended: watch::Receiver<bool>) -> JoinHandle<Talk> {
    /// A reference that was used before would make a message the repetition of that one.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let (to, from) = (format!("XYZ-{}", number + 1), format!("XYZ-{number}"));
    let mut one = Client::login(node, &from).await;
    let mut two = Client::login(node, &to).await;
    one.delivery_fence(&to, &format!("begin-{nth}")).await;
    two.expect("MESSAGE").await;
    tokio::spawn(async move {
        let (mut noticed, mut rounds) = (Vec::new(), 0);
        while !*ended.borrow() {
            let begun = Instant::now();
            one.send(fast(&to, rounds));
            let reference = format!("local-{nth}-{rounds}");
            one.send(with(message(&to, rounds), "reference", reference.as_str()));
            for feature in ["FAST", "RELIABLE"] {
                let came = tokio::select! {
                    came = two.next() => came,
                    error = one.expect("ERROR") => panic!("round {rounds} was refused: {}", error.text),
                };
                assert_eq!(came["data"]["content"], rounds, "{}", came.text);
                assert_eq!(came["feature"], feature, "{}", came.text);
            }
            one.expect_for("MESSAGE_CONFIRMATION", &reference).await;
            noticed.extend(Some(begun.elapsed()).filter(|took| *took >= UNNOTICED));
            rounds += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Talk { noticed, rounds }
    })
}
