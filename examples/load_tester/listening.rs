//! Who listens on a port, read from `/proc`.
//!
//! On its own, because the repository's own tool has this file too.

use std::fs;

/// The processes of one's own that have a socket which listens on `port`, on whatever address of this machine; of several that share it the first is the
/// others' parent.
pub(crate) fn listeners(port: u16) -> Vec<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let sockets: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let has_one = |pid: &u32| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
        descriptors.into_iter().flatten().flatten().any(|descriptor| {
            fs::read_link(descriptor.path())
                .is_ok_and(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
        })
    };
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(has_one)
        .collect();
    pids.sort_unstable();
    pids
}

/// Inodes of the sockets in `/proc/net/tcp` that listen on `port`.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    const LISTEN: &str = "0A";
    let ends_with = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let listens = fields.get(1)?.ends_with(&ends_with) && *fields.get(3)? == LISTEN;
            if listens {
                fields.get(9)?.parse().ok()
            } else {
                None
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_listening_sockets_of_the_port_are_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F98 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1\n\
             1: 0100007F:1F98 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1\n\
             2: 0100007F:1F99 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1\n";
        assert_eq!(listening_inodes(table, 0x1F98), [111]);
    }

    #[test]
    fn who_listens_is_found_as_long_as_it_does() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listeners(port), [std::process::id()]);
        drop(listener);
        assert!(listeners(port).is_empty());
    }
}
