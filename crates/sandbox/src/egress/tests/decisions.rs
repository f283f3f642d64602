//! Decisions without a network: grants against addresses, and the table of the documentation.

use std::{fmt::Write, net::IpAddr};

use http::Method;
use proptest::prelude::*;
use rollcage_api::plugin::HttpGrant;

use super::support::with_options;
use crate::egress::{AddressClass, EgressError, grants::Grants, target::Target};

fn grants(texts: &[&str]) -> Grants {
    let entries: Vec<HttpGrant> = texts.iter().map(|text| HttpGrant::Host((*text).into())).collect();
    Grants::parse(&entries).unwrap()
}

fn admits(grants: &Grants, url: &str) -> bool {
    let target = Target::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    grants.check(&target, &Method::GET, false).is_ok()
}

#[test]
fn a_grant_is_for_its_server_alone() {
    for (grant, url, admitted) in [
        ("example.com:443", "https://example.com/", true),
        ("example.com:443", "https://EXAMPLE.com./x", true),
        ("example.com:443", "http://example.com:443/", true),
        ("example.com:443", "http://example.com/", false),
        ("example.com:443", "https://example.com:8443/", false),
        ("example.com:443", "https://www.example.com/", false),
        ("example.com:443", "https://example.com.evil.test/", false),
        ("example.com:443", "https://evil.test/example.com:443", false),
        ("example.com:443", "https://evil.test#example.com", false),
        ("example.com:443", "https://evil.test?example.com", false),
        ("example.com:443", "https://evil.test\\@example.com/", false),
        ("example.com:443", "https://93.184.215.14/", false),
        ("bücher.example:443", "https://xn--bcher-kva.example/", true),
        ("xn--bcher-kva.example:443", "https://BÜCHER.example/", true),
        ("example.com:443", "https://еxample.com/", false), // Cyrillic е
        ("*.example.com:443", "https://a.example.com/", true),
        ("*.example.com:443", "https://A.Example.com./", true),
        ("*.example.com:443", "https://a.b.example.com/", false),
        ("*.example.com:443", "https://example.com/", false),
        ("*.example.com:443", "https://.example.com/", false),
        ("*.example.com:443", "https://aexample.com/", false),
        ("*.example.com:443", "https://a.example.com.evil.test/", false),
        ("localhost:80", "http://localhost/", true),
        ("localhost:80", "http://LOCALHOST./", true),
        ("localhost:80", "http://127.0.0.1/", false),
        ("localhost:80", "http://[::1]/", false),
        ("localhost:80", "http://a.localhost/", false),
        ("10.1.2.3:80", "http://10.1.2.3/", true),
        ("10.1.2.3:80", "http://167838211/", true),
        ("10.1.2.3:80", "http://[::ffff:10.1.2.3]/", true),
        ("10.1.2.3:80", "http://10.1.2.4/", false),
        ("10.1.2.3:80", "http://[64:ff9b::a01:203]/", false),
        ("10.0.0.0/8:80", "http://10.1.2.3/", true),
        ("10.0.0.0/8:80", "http://10.example.com/", false),
        ("10.0.0.0/8:80", "http://11.0.0.1/", false),
        ("127.0.0.0/8:80", "http://127.1/", true),
        ("0.0.0.0/0:80", "http://169.254.169.254/", true),
        ("0.0.0.0/0:80", "http://[::ffff:169.254.169.254]/", true),
        ("0.0.0.0/0:80", "http://[::1]/", false),
        ("[::/0]:80", "http://[::1]/", true),
        ("[::/0]:80", "http://127.0.0.1/", false),
        ("[::/0]:80", "http://[::ffff:127.0.0.1]/", false),
        ("[fd00::1]:80", "http://[FD00:0::1]/", true),
        ("[fd00::/8]:80", "http://[fd12::1]/", true),
        ("*:80", "http://anything.example/", true),
        ("*:80", "http://10.0.0.1/", true),
        ("*:80", "http://[fd00::1]/", true),
        ("*:80", "http://localhost/", false),
        ("*:80", "http://localhost./", false),
        ("*:80", "http://127.0.0.1/", false),
        ("*:80", "http://0x7f.1/", false),
        ("*:80", "http://169.254.169.254/", false),
        ("*:80", "http://[fd00:ec2::254]/", false),
        ("*:80", "http://100.100.100.200/", false),
        ("*:80", "http://0.0.0.0/", false),
        ("*:80", "https://example.com/", false),
        ("*:*", "https://example.com:12345/", true),
        ("*:*", "http://127.0.0.1:12345/", false),
    ] {
        // Some of the hostile spellings are no addresses at all: as good as denied.
        let got = Target::parse(url).is_ok_and(|target| grants(&[grant]).check(&target, &Method::GET, false).is_ok());
        assert_eq!(got, admitted, "{grant} {url}");
    }
}

#[test]
fn a_denial_names_the_line_to_add() {
    let grants = Grants::parse(&[with_options("example.com:443".into(), |options| {
        options.methods = vec!["get".into(), "HEAD".into()];
    })])
    .unwrap();
    for (url, method, insecure, line) in [
        (
            "https://other.test/secret?x",
            "GET",
            false,
            r#"http: ["other.test:443"]"#,
        ),
        ("http://[::1]/", "GET", false, r#"http: ["[::1]:80"]"#),
        (
            "https://example.com/",
            "POST",
            false,
            r#"http: [{host: "example.com:443", methods: [POST]}]"#,
        ),
        (
            "https://example.com/",
            "GET",
            true,
            r#"http: [{host: "example.com:443", insecure: true}]"#,
        ),
    ] {
        let target = Target::parse(url).unwrap();
        let error = grants.check(&target, &method.parse().unwrap(), insecure).unwrap_err();
        assert_eq!(error.denial().unwrap().grant, line);
        assert!(!error.to_string().contains("secret"), "{error}");
        // The line is what an operator can paste: it reads, and it grants.
        let pasted: rollcage_api::plugin::Permissions = serde_yaml::from_str(line).unwrap();
        let pasted = Grants::parse(&pasted.http).unwrap();
        assert!(
            pasted.check(&target, &method.parse().unwrap(), insecure).is_ok(),
            "{line}"
        );
    }
}

#[test]
fn options_count_only_where_they_stand() {
    let grants = Grants::parse(&[
        with_options("a.test:443".into(), |options| options.insecure = true),
        with_options("b.test:443".into(), |options| {
            options.insecure = true;
            options.methods = vec!["GET".into()];
        }),
        HttpGrant::Host("b.test:443".into()),
        HttpGrant::Host("c.test:443".into()),
        with_options("127.0.0.1:443".into(), |options| options.methods = vec!["GET".into()]),
    ])
    .unwrap();
    let check =
        |url: &str, method: Method, insecure| grants.check(&Target::parse(url).unwrap(), &method, insecure).is_ok();
    assert!(check("https://a.test/", Method::GET, true));
    assert!(check("https://b.test/", Method::GET, true));
    assert!(check("https://b.test/", Method::POST, false));
    assert!(!check("https://b.test/", Method::POST, true));
    assert!(!check("https://c.test/", Method::GET, true));
    assert!(check("https://127.0.0.1/", Method::GET, false));
    // A connection that a name opens serves requests of every method.
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    assert_eq!(grants.may_lead_to("c.test", loopback, 443), Err(AddressClass::Loopback));
}

#[test]
fn an_entry_that_cannot_be_used_says_where_and_why() {
    for (grant, part) in [
        (
            HttpGrant::Host("example.com".into()),
            "permissions.http[0]: \"example.com\": a port is missing",
        ),
        (
            with_options("a.test:1".into(), |o| o.ca = "nonsense".into()),
            "ca: holds no certificate",
        ),
        (
            with_options("a.test:1".into(), |o| {
                o.ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into();
            }),
            "ca: no usable certificate",
        ),
        (
            with_options("a.test:1".into(), |o| o.ca = "-----BEGIN CERTIFICATE-----\n%%".into()),
            "ca: no PEM",
        ),
        (
            with_options("a.test:1".into(), |o| o.methods = vec!["G T".into()]),
            "methods: not a method",
        ),
        (
            with_options("a.test:1".into(), |o| o.methods = vec!["CONNECT".into()]),
            "methods: this method is never sent",
        ),
    ] {
        let error = Grants::parse(&[grant]).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// What each kind of grant opens, as `docs/permissions.md` shows it.
fn table() -> String {
    let samples: [(AddressClass, &[&str]); 11] = [
        (
            AddressClass::Public,
            &["93.184.215.14", "2606:4700::1111", "64:ff9b::5db8:d70e"],
        ),
        (
            AddressClass::Private,
            &["10.1.2.3", "172.16.0.1", "192.168.1.1", "::ffff:10.1.2.3"],
        ),
        (AddressClass::UniqueLocal, &["fd12:3456::1"]),
        (AddressClass::Shared, &["100.64.0.1"]),
        (
            AddressClass::Loopback,
            &[
                "127.0.0.1",
                "127.1.2.3",
                "::1",
                "::ffff:127.0.0.1",
                "64:ff9b::7f00:1",
                "2002:7f00:1::",
            ],
        ),
        (AddressClass::LinkLocal, &["169.254.0.1", "fe80::1"]),
        (AddressClass::Unspecified, &["0.0.0.0", "0.1.2.3", "::"]),
        (AddressClass::Multicast, &["224.0.0.1", "ff02::1"]),
        (AddressClass::Broadcast, &["255.255.255.255"]),
        (
            AddressClass::Reserved,
            &["240.0.0.1", "192.0.2.1", "::127.0.0.1", "2001::1", "fec0::1"],
        ),
        (
            AddressClass::Metadata,
            &[
                "169.254.169.254",
                "100.100.100.200",
                "168.63.129.16",
                "fd00:ec2::254",
                "fd20:ce::254",
                "::ffff:169.254.169.254",
                "64:ff9b::a9fe:a9fe",
            ],
        ),
    ];
    let mut table = String::from(
        "| Class | Such as | nothing | `NAME:PORT` | `localhost:PORT` | `*:PORT` | `ADDRESS:PORT` | `CIDR:PORT` |\n|---|---|---|---|---|---|---|---|\n",
    );
    let through_name = |grants: &Grants, name: &str, address: IpAddr| {
        admits(grants, &format!("http://{name}/")) && grants.may_lead_to(name, address, 80).is_ok()
    };
    for (class, addresses) in samples {
        let mut row: Option<Vec<bool>> = None;
        for text in addresses {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(AddressClass::of(address), class, "{text}");
            let (literal, network) = match address.to_canonical() {
                IpAddr::V4(address) => (format!("{address}"), format!("{address}/32")),
                IpAddr::V6(address) => (format!("[{address}]"), format!("[{address}/128]")),
            };
            let url = match address {
                IpAddr::V4(_) => format!("http://{text}/"),
                IpAddr::V6(_) => format!("http://[{text}]/"),
            };
            let named = grants(&["name.test:80"]);
            let any = grants(&["*:80"]);
            let local = grants(&["localhost:80"]);
            let by_address = grants(&[&format!("{literal}:80"), "name.test:80"]);
            let by_network = grants(&[&format!("{network}:80"), "name.test:80"]);
            // A name that is not granted is not even looked up.
            let nothing = grants(&[]);
            assert!(!admits(&nothing, "http://name.test/") && !admits(&named, &url) && !admits(&local, &url));
            // Under `*` a literal and a name mean the same, and so they do where the address itself is granted.
            assert_eq!(admits(&any, &url), through_name(&any, "name.test", address), "{text}");
            for granted in [&by_address, &by_network] {
                assert!(
                    admits(granted, &url) && through_name(granted, "name.test", address),
                    "{text}"
                );
                // The grant is for its port alone.
                assert_eq!(
                    granted.may_lead_to("name.test", address, 81).is_ok(),
                    class.reachable_by_name()
                );
            }
            let got = vec![
                admits(&nothing, &url),
                through_name(&named, "name.test", address),
                through_name(&local, "localhost", address),
                admits(&any, &url),
                admits(&by_address, &url),
                admits(&by_network, &url),
            ];
            assert_eq!(
                row.get_or_insert_with(|| got.clone()),
                &got,
                "{text}: a class behaves as one"
            );
        }
        let such_as: Vec<String> = addresses.iter().map(|text| format!("`{text}`")).collect();
        let _ = write!(table, "| {class} | {} |", such_as.join(", "));
        for open in row.unwrap() {
            let _ = write!(table, " {} |", if open { "yes" } else { "no" });
        }
        table.push('\n');
    }
    table
}

#[test]
fn the_documentation_shows_what_is_decided() {
    let table = table();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/permissions.md");
    let page = std::fs::read_to_string(path).unwrap();
    assert!(
        page.contains(&table),
        "docs/permissions.md should hold this table:\n\n{table}"
    );
}

proptest! {
    /// Whatever an address looks like: what is admitted goes to the granted server, as the client understands it.
    #[test]
    fn nothing_slips_past_a_grant(
        scheme in "(https?|HTTP|ftp|)",
        slashes in "[:/\\\\]{1,4}",
        user in "(|a@|a:b@|example\\.com@)",
        host in "(example\\.com|example%2ecom|EXAMPLE\\.COM\\.?|evil\\.test|127\\.0\\.0\\.1|[0-9a-fx.]{1,12}|\\PC{0,12})",
        port in "(|:443|:80|:|:0443|:\\PC{0,3})",
        rest in "([/?#\\\\@]\\PC{0,10})?",
    ) {
        let text = format!("{scheme}{slashes}{user}{host}{port}{rest}");
        let grants = grants(&["example.com:443"]);
        if let Ok(target) = Target::parse(&text)
            && grants.check(&target, &Method::GET, false).is_ok()
        {
            let url = reqwest::Url::parse(target.url().as_str()).unwrap();
            prop_assert!(matches!(url.host_str(), Some("example.com" | "example.com.")), "{}", text);
            prop_assert_eq!(url.port_or_known_default(), Some(443));
        }
    }

    /// Every spelling of an IPv4 address that a URL may have is that address.
    #[test]
    fn spellings_of_an_address_are_that_address(bits: u32, shape in 0_u8..6, dot: bool) {
        let [a, b, c, d] = bits.to_be_bytes();
        let host = match shape {
            0 => format!("{a}.{b}.{c}.{d}"),
            1 => format!("{bits}"),
            2 => format!("{bits:#x}"),
            3 => format!("0{bits:o}"),
            4 => format!("{a:#x}.0{b:o}.{}", u16::from_be_bytes([c, d])),
            _ => format!("[::ffff:{a}.{b}.{c}.{d}]"),
        };
        let host = if dot && shape < 5 { format!("{host}.") } else { host };
        let target = Target::parse(&format!("http://{host}/")).unwrap();
        let class = AddressClass::of(IpAddr::from([a, b, c, d]));
        prop_assert_eq!(
            grants(&["*:80"]).check(&target, &Method::GET, false).is_ok(),
            class.reachable_by_name()
        );
        let granted = format!("{a}.{b}.{c}.{d}:80");
        prop_assert!(grants(&[&granted]).check(&target, &Method::GET, false).is_ok());
    }

    /// A name leads to loopback, or to the networks of machines and clouds, under no grant of a name.
    #[test]
    fn a_name_leads_nowhere_special(bits: u128, v4: bool) {
        let address = if v4 {
            IpAddr::from(u32::try_from(bits & 0xffff_ffff).unwrap().to_be_bytes())
        } else {
            IpAddr::from(bits.to_be_bytes())
        };
        let led = grants(&["name.test:80", "*:80", "localhost:80"]).may_lead_to("name.test", address, 80);
        let canonical = address.to_canonical();
        let special = canonical.is_loopback() || canonical.is_unspecified() || canonical.is_multicast();
        prop_assert!(led.is_err() || !special, "{}", address);
        if let IpAddr::V6(v6) = canonical {
            prop_assert!(led.is_err() || !(v6.is_unicast_link_local() || matches!(v6.segments(), [0, ..])), "{}", v6);
        }
    }

    #[test]
    fn any_address_is_read_or_refused(text in "\\PC{0,200}") {
        match Target::parse(&text) {
            Ok(target) => prop_assert!(!target.to_string().is_empty()),
            Err(error) => prop_assert!(matches!(error, EgressError::InvalidRequest(_))),
        }
    }
}
