//! The library works in programs that know nothing of actix.

use linker_actors::{Linker, LinkerBuilder, SendState};

use super::outgoing;
use crate::harness::{Client, Node, Server, Transport, apps, user};

fn runtime(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = match threads {
        0 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().expect("a runtime")
}

fn builder() -> LinkerBuilder {
    apps()
        .into_iter()
        .fold(Linker::builder(), LinkerBuilder::client_app)
}

#[test]
fn a_plain_tokio_main_starts_uses_and_stops_a_node() {
    for threads in [0, 2] {
        runtime(threads).block_on(async {
            let linker = builder().start().await.expect("it starts");
            let sent = linker
                .handle()
                .send(user("ANZ-2"), outgoing(1))
                .await
                .expect("sent");
            assert_eq!(sent.state, SendState::Stored);
            assert!(linker.stop().await);
        });
    }
}

#[test]
fn a_handle_works_from_another_runtime_than_the_nodes() {
    let home = runtime(1);
    let linker = home.block_on(builder().start()).expect("it starts");
    let handle = linker.handle();
    let server = Server::start(Transport::Upgraded, &handle);
    let node = Node {
        ws: server.address,
        handle: handle.clone(),
        linker,
        server,
    };
    let elsewhere = std::thread::spawn(move || {
        runtime(0).block_on(async move {
            let mut client = Client::login(&node, "ANZ-2").await;
            assert!(handle.is_online(user("ANZ-2")).await);
            handle.send(user("ANZ-2"), outgoing("hi")).await.expect("sent");
            assert_eq!(client.expect("MESSAGE").await["data"]["content"], "hi");
            assert_eq!(handle.missing(user("ANZ-3")).await, Ok(0));
            node
        })
    });
    let node = elsewhere.join().expect("it went well");
    // The runtime on which it was started may end before it does.
    drop(home);
    runtime(0).block_on(async move {
        let sent = node.handle.send(user("ANZ-3"), outgoing(1)).await.expect("sent");
        assert_eq!(sent.state, SendState::Stored);
        assert!(node.linker.stop().await);
    });
}

#[test]
fn an_actix_main_works_as_well() {
    actix::System::new().block_on(async {
        let linker = builder().start().await.expect("it starts");
        let sent = linker.handle().send(user("ANZ-2"), outgoing(1)).await;
        assert_eq!(sent.expect("sent").state, SendState::Stored);
        assert!(linker.stop().await);
    });
}
