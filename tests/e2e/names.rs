//! Names of hosts and users, and locales, on systems where the services for them are
//! missing or unusual.

use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::thread;

use nix::unistd::geteuid;

use crate::support::{DEADLINE, Finished, Root, Start, app, uninterrupted};

/// Contents that some distributions and administrators write.
const EXOTIC: &str = "\
passwd:    sss files systemd winbind
group:     ldap [SUCCESS=merge] files systemd
hosts:     mymachines mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] wins files myhostname dns
networks:  db
nonsense without a colon
services:  nis [NOTFOUND=return] files
initgroups: sss [SUCCESS=continue] files
";

const ADDRESSES: &str = "import socket, sys
def look(name):
    try: return sorted({it[4][0] for it in socket.getaddrinfo(name, 'http' if name == 'served' else 80)})
    except socket.gaierror as error: return error.errno
for name in sys.argv[1:]: print(name, look(name))";

#[test]
fn hosts_are_found_in_etc_hosts() {
    let Some(root) = Root::empty() else { return };
    let with_hosts = |root: Root| {
        root.write("/etc/hosts", "127.0.0.9 served\n::9 served six\n")
            .write("/etc/services", "http 80/tcp\n")
            // Without it, only the first line that matches is the answer
            // (host.conf(5)).
            .write("/etc/host.conf", "multi on\n")
    };
    let bare = with_hosts(root).read_only();
    let exotic = with_hosts(Root::empty().unwrap()).write("/etc/nsswitch.conf", EXOTIC);
    for root in [bare, exotic] {
        let names = ["served", "six", "127.0.0.1"];
        let said = root.start(["python", "-c", ADDRESSES]).args(names).run();
        assert_eq!(
            said.expect_success().stdout,
            "served ['127.0.0.9', '::9']\nsix ['::9']\n127.0.0.1 ['127.0.0.1']"
        );
    }
}

#[test]
fn users_are_found_in_etc_passwd_whatever_nsswitch_says() {
    let Some(root) = Root::empty() else { return };
    let root = root
        .write(
            "/etc/passwd",
            "root:x:0:0::/root:/bin/sh\nada:x:1815:1852::/home/ada:/bin/sh\n",
        )
        .write(
            "/etc/group",
            "root:x:0:\nengines:x:1852:ada\nnotes:x:1853:ada\n",
        )
        .write("/etc/nsswitch.conf", EXOTIC);
    let code = "import grp, os, pwd
print(pwd.getpwnam('ada').pw_uid, grp.getgrgid(1852).gr_name, os.getgrouplist('ada', 1852))
try: pwd.getpwnam('nobody-at-all')
except KeyError: print('unknown')";
    let said = root.start(["python", "-c", code]).run().expect_success();
    assert_eq!(
        said.stdout, "1815 engines [1852, 1853]\nunknown",
        "{}",
        said.stderr
    );
}

#[test]
fn a_root_without_any_of_these_files_is_no_crash() {
    let Some(root) = Root::empty() else { return };
    let code = "import os, pwd, socket
try: pwd.getpwuid(0)
except KeyError: print('nobody')
try: socket.getaddrinfo('somewhere.invalid', 80)
except socket.gaierror: print('nowhere')
print(os.path.expanduser('~'), socket.gethostname() != '')";
    let said = root.start(["python", "-c", code]).run().expect_success();
    assert!(
        said.stdout.starts_with("nobody\nnowhere\n"),
        "{}",
        said.stdout
    );
}

/// If no file has it, the server still knows the name of its own machine (RFC 6761,
/// section 6.3): for listening, and for the daemons that it reports to.
#[test]
fn localhost_needs_no_etc_hosts() {
    let Some(root) = Root::empty() else { return };
    assert!(!root.path("/etc/hosts").exists());
    let root = root.put(app("hello").join("app.py"), "/hello/app.py");
    let socket = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket, port)
    };
    let (statsd, statsd_port) = socket();
    let (syslog, syslog_port) = socket();
    let server = root
        .start(["--bind", "localhost:0", "--bind", "a.localhost:0"])
        .args(["--chdir", "/hello", "app", "--log-syslog"])
        .args(["--statsd-host", &format!("localhost:{statsd_port}")])
        .args(["--log-syslog-to", &format!("udp://localhost:{syslog_port}")])
        .spawn();
    let targets = server.targets();
    assert_eq!(targets.len(), 2);
    for target in targets {
        assert_eq!(target.get("/").ok(), "Hello, world!\n");
    }
    for socket in [statsd, syslog] {
        assert!(uninterrupted(|| socket.recv(&mut [0; 4096])).unwrap() > 0);
    }
    drop(server);

    let daemon = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = daemon.local_addr().unwrap().port();
    let _server = root
        .start(["--bind", "localhost:0", "--chdir", "/hello", "app"])
        .args(["--log-syslog", "--log-syslog-to"])
        .args([format!("tcp://localhost:{port}")])
        .spawn();
    let (mut connection, _) = daemon.accept().unwrap();
    connection.set_read_timeout(Some(DEADLINE)).unwrap();
    assert!(uninterrupted(|| connection.read(&mut [0; 4096])).unwrap() > 0);
}

#[test]
fn a_hosts_file_may_say_where_localhost_is() {
    let Some(root) = Root::empty() else { return };
    let root = root
        .write("/etc/hosts", "127.0.0.9 localhost\n")
        .put(app("hello").join("app.py"), "/hello/app.py");
    let server = root
        .start(["--bind", "localhost:0", "--chdir", "/hello", "app"])
        .spawn();
    let line = server.stderr.wait_for("Listening at: ");
    assert!(line.contains("http://127.0.0.9:"), "{line}");
}

#[test]
fn hosts_are_found_by_dns() {
    if Root::empty().is_none() {
        return;
    }
    let resolve = |nsswitch: Option<&'static str>| {
        let mut root = Root::empty().unwrap().write(
            "/etc/resolv.conf",
            "nameserver 127.0.0.53\nsearch example.test\noptions timeout:5\n",
        );
        if let Some(text) = nsswitch {
            root = root.write("/etc/nsswitch.conf", text);
        }
        let names = [
            "db.example.test",
            "db",
            "six.example.test",
            "none.example.test",
        ];
        root.start(["python", "-c", ADDRESSES]).args(names).run()
    };
    for nsswitch in [None, Some("hosts: files dns\n"), Some(EXOTIC)] {
        let Some(said) = in_a_network_with_a_resolver(move || resolve(nsswitch)) else {
            return;
        };
        let said = said.expect_success();
        assert_eq!(
            said.stdout,
            "db.example.test ['192.0.2.1']\ndb ['192.0.2.1']\n\
             six.example.test ['2001:db8::6']\nnone.example.test -2",
            "{}",
            said.stderr
        );
    }
}

/// Runs `act` in its own network namespace, in which 127.0.0.53 answers DNS requests.
fn in_a_network_with_a_resolver(
    act: impl FnOnce() -> Finished + Send + 'static,
) -> Option<Finished> {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can make a network");
        return None;
    }
    // The namespace belongs to the thread. Processes that it starts inherit it, and it
    // ends with the last of them.
    let world = thread::spawn(|| {
        // SAFETY: changes only the network namespace of this thread.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            eprintln!("skipped: this root may not make a network");
            return None;
        }
        let up = "import fcntl, socket, struct
s = socket.socket()
fcntl.ioctl(s, 0x8914, struct.pack('16sH14x', b'lo', 0x41))"; // SIOCSIFFLAGS, up and running
        Start::new(["python", "-c", up]).run().expect_success();
        let socket = UdpSocket::bind("127.0.0.53:53").unwrap();
        let answering = socket.try_clone().unwrap();
        thread::spawn(move || answer_all(&answering));
        let done = act();
        // An empty datagram ends the resolver.
        UdpSocket::bind("127.0.0.1:0")
            .and_then(|end| end.send_to(&[], "127.0.0.53:53"))
            .unwrap();
        Some(done)
    });
    world.join().unwrap()
}

/// A resolver that has two names (RFC 1035, 4.1).
fn answer_all(socket: &UdpSocket) {
    const A: u16 = 1;
    const AAAA: u16 = 28;
    let mut datagram = [0; 512];
    loop {
        let (length, from) = socket.recv_from(&mut datagram).unwrap();
        if length == 0 {
            return;
        }
        let query = &datagram[..length];
        let name_end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
        let question = &query[12..name_end + 4];
        let kind = u16::from_be_bytes([query[name_end], query[name_end + 1]]);
        let name = labels(&query[12..name_end]);
        let address: Option<Vec<u8>> = match (&*name, kind) {
            ("db.example.test", A) => Some(vec![192, 0, 2, 1]),
            ("six.example.test", AAAA) => Some(
                "2001:db8::6"
                    .parse::<std::net::Ipv6Addr>()
                    .unwrap()
                    .octets()
                    .to_vec(),
            ),
            _ => None,
        };
        let known = ["db.example.test", "six.example.test"].contains(&&*name);
        let mut reply = query[..2].to_vec();
        // A response with recursion; 3 is "no such name".
        reply.extend([0x81, if known { 0x80 } else { 0x83 }]);
        let answers = u8::from(address.is_some());
        reply.extend([0, 1, 0, answers, 0, 0, 0, 0]);
        reply.extend(question);
        if let Some(address) = address {
            reply.extend([0xc0, 12]); // the question's name
            reply.extend(kind.to_be_bytes());
            reply.extend([0, 1, 0, 0, 0, 60, 0, address.len() as u8]);
            reply.extend(address);
        }
        socket.send_to(&reply, from).unwrap();
    }
}

fn labels(mut name: &[u8]) -> String {
    let mut labels = Vec::new();
    while let Some((length, rest)) = name.split_first()
        && *length > 0
    {
        let (label, after) = rest.split_at((*length).into());
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        name = after;
    }
    labels.join(".")
}

#[test]
fn text_is_utf_8_whatever_the_locale() {
    if Root::empty().is_none() {
        return;
    }
    let code = "import locale, os, sys
print(sys.flags.utf8_mode, sys.getfilesystemencoding(), sys.stdout.encoding, 'ü')
open('/ü', 'w').write('ü')
print(os.listdir(b'/').count('ü'.encode()), open('/ü', 'rb').read() == 'ü'.encode())
try: print(locale.setlocale(locale.LC_ALL, ''))
except locale.Error: print('no such locale')
print('ü'.encode('utf-16-le').decode('utf-16'), '%.1f' % 1.5)";
    for (variable, value, name) in [
        ("NOTHING", "", "C"),
        ("LC_ALL", "de_DE.ISO-8859-1", "no such locale"),
        ("LANG", "C", "C"),
        ("LC_CTYPE", "tr_TR.UTF-8", "no such locale"),
    ] {
        let root = Root::empty().unwrap().variable(variable, value);
        let said = root.start(["python", "-c", code]).run().expect_success();
        assert_eq!(
            said.stdout,
            format!("1 utf-8 utf-8 ü\n1 True\n{name}\nü 1.5"),
            "{variable}={value}: {}",
            said.stderr
        );
    }
}
