//! Starting without a file, and `LINKER__…` over whatever the file says.

use std::process::{Child, Command, Stdio};

use crate::harness::{NodeConfig, WAIT, eventually, run_with};

/// The binary started in a folder of its own with these variables, until it is dropped.
struct Bare {
    child: Child,
    home: tempfile::TempDir,
}

impl Bare {
    fn start(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let out = std::fs::File::create(home.path().join("out")).unwrap();
        let err = std::fs::File::create(home.path().join("err")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_linker-server"))
            .args(args)
            .current_dir(home.path())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap();
        Self { child, home }
    }

    async fn ready_line(&mut self) -> String {
        eventually("the ready line", WAIT, async || {
            let err = || std::fs::read_to_string(self.home.path().join("err")).unwrap_or_default();
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?}: {}", err());
            let said = std::fs::read_to_string(self.home.path().join("out")).unwrap_or_default();
            said.split_once('\n').map(|(line, _)| line.to_owned())
        })
        .await
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const FREE_PORTS: [(&str, &str); 2] = [
    ("LINKER__SERVER__BIND", "127.0.0.1:0"),
    ("LINKER__SERVER__ADMINBIND", "127.0.0.1:0"),
];

fn websocket_of(ready: &str) -> std::net::SocketAddr {
    let (_, rest) = ready.split_once("ws=ws://").unwrap();
    rest.split_once("/ws").unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn no_file_at_all_is_a_working_node_with_the_seeds_app() {
    for args in [&[][..], &["serve"]] {
        let mut bare = Bare::start(args, &FREE_PORTS);
        let ws = websocket_of(&bare.ready_line().await);
        let mut client = crate::harness::Client::try_connect(ws).await.unwrap();
        client.send(crate::harness::auth(crate::harness::MASTER));
        assert_eq!(client.next().await["data"]["isAuthenticated"], true);
        client.delivery_fence("ANZ-123223", "r1").await;
        assert!(
            bare.home.path().join("linker-data").is_dir(),
            "the data folder is ./linker-data"
        );
    }
}

#[tokio::test]
async fn the_default_ports_are_8088_and_8090_on_loopback() {
    // Only asked for, not bound: other processes of this machine may use them.
    let home = tempfile::tempdir().unwrap();
    let holder = std::net::TcpListener::bind("127.0.0.1:8088");
    let finished = run_with(&["serve"], |command| {
        command
            .current_dir(home.path())
            .env("LINKER__SERVER__ADMINBIND", "127.0.0.1:0");
    });
    if holder.is_ok() || std::net::TcpStream::connect("127.0.0.1:8088").is_ok() {
        let finished = finished.await;
        assert_ne!(finished.code, 0);
        finished.line_with(&["127.0.0.1:8088"]);
    } else {
        panic!(
            "127.0.0.1:8088 can be neither bound nor reached: {:?}",
            holder.err()
        );
    }
}

#[tokio::test]
async fn a_variable_overrides_the_file_whatever_its_case() {
    let config = NodeConfig::new().set("limits.maxFrameBytes", 5000);
    let file = config.save();
    for (key, value) in [
        ("LINKER__LIMITS__MAXFRAMEBYTES", "banana"),
        ("LINKER__limits__maxFrameBytes", "banana"),
    ] {
        let finished = run_with(&["check", "--config", file.to_str().unwrap()], |command| {
            command.env(key, value);
        })
        .await;
        assert_eq!(finished.code, 1, "{key}: {}", finished.said());
        let said = finished.said().to_lowercase();
        assert!(
            said.contains("maxframebytes") && said.contains("banana"),
            "{}",
            finished.said()
        );
    }
}

#[tokio::test]
async fn an_overridden_limit_is_the_limit() {
    let variables = [
        FREE_PORTS[0],
        FREE_PORTS[1],
        ("LINKER__LIMITS__MAXFRAMEBYTES", "300"),
    ];
    let mut bare = Bare::start(&[], &variables);
    let ws = websocket_of(&bare.ready_line().await);
    let mut client = crate::harness::Client::try_connect(ws).await.unwrap();
    client.send(crate::harness::auth("ANZ-1"));
    assert_eq!(client.next().await["data"]["isAuthenticated"], true);
    client.send(crate::harness::message("ANZ-1", "x".repeat(300)));
    assert_eq!(client.closed().await, Some(1009));
}

#[tokio::test]
async fn an_unknown_variable_is_an_error() {
    for key in [
        "LINKER__SERVER__BINT",
        "LINKER__NOPE",
        "LINKER__LIMITS__MAX_FRAME_BYTES",
    ] {
        let finished = run_with(&["serve"], |command| {
            command.envs(FREE_PORTS).env(key, "1");
        })
        .await;
        assert_eq!(finished.code, 2, "{key}: {}", finished.said());
        assert!(
            finished.said().to_lowercase().contains(&key.to_lowercase()),
            "{}",
            finished.said()
        );
    }
}

#[tokio::test]
async fn sighup_reads_the_files_that_variables_name_again() {
    let secrets = tempfile::tempdir().unwrap();
    let token = secrets.path().join("token");
    std::fs::write(&token, "f1rst").unwrap();
    let mut variables = FREE_PORTS.to_vec();
    variables.push(("LINKER__SERVER__ADMINTOKENFILE", token.to_str().unwrap()));
    let mut bare = Bare::start(&[], &variables);
    let ready = bare.ready_line().await;
    let admin = ready.split_once("admin=http://").unwrap().1.parse().unwrap();
    let status = async |token: &str| {
        let head = format!("GET /api/v1/whoami HTTP/1.1\r\nAuthorization: Bearer {token}");
        crate::harness::request(admin, &head).await.unwrap().status
    };
    assert_eq!(status("f1rst").await, 200);
    std::fs::write(&token, "s3cond").unwrap();
    let sent = Command::new("kill")
        .args(["-HUP", &bare.child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    eventually("the new token is the token", WAIT, async || {
        (status("s3cond").await == 200).then_some(())
    })
    .await;
    assert_eq!(status("f1rst").await, 401);
    let err = std::fs::read_to_string(bare.home.path().join("err")).unwrap();
    assert!(!err.contains("needs a restart"), "{err}");
}

#[tokio::test]
async fn a_variable_wins_over_the_file_when_it_is_read_again_too() {
    let config = NodeConfig::new().set("limits.maxFrameBytes", "64KiB");
    let file = config.save();
    let variables = [("LINKER__LIMITS__MAXFRAMEBYTES", "300")];
    let mut bare = Bare::start(&["--config", file.to_str().unwrap()], &variables);
    let ws = websocket_of(&bare.ready_line().await);
    let log = || std::fs::read_to_string(bare.home.path().join("err")).unwrap();
    let config = config
        .set("limits.maxFrameBytes", "1MiB")
        .set("limits.messagesPerSecond", 5);
    config.save();
    eventually("the rest is in force", WAIT, async || {
        log().contains("a new configuration is in force").then_some(())
    })
    .await;
    let mut client = crate::harness::Client::try_connect(ws).await.unwrap();
    client.send(crate::harness::auth("ANZ-1"));
    assert_eq!(client.next().await["data"]["isAuthenticated"], true);
    client.send(crate::harness::message("ANZ-1", "x".repeat(300)));
    assert_eq!(client.closed().await, Some(1009));
}
