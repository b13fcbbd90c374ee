//! The listener as strangers and browsers meet it: raw bytes over real sockets.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;

const STATE: &str = "state-for-tests-0123456789";
const CODE: &str = "not-a-real-code";
/// Far more than anything here takes; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A listener at work, whose `complete` tells what it got and waits to be told how to end.
struct Waiting {
    port: u16,
    got: mpsc::UnboundedReceiver<String>,
    end: Option<oneshot::Sender<Result<&'static str>>>,
    serving: JoinHandle<Result<&'static str>>,
}

impl Waiting {
    async fn start() -> Self {
        Self::with(Loopback::bind(None).await.unwrap(), PATIENCE)
    }

    fn with(loopback: Loopback, limit: Duration) -> Self {
        let port = loopback.redirect_uri().port().unwrap();
        let (tell, got) = mpsc::unbounded_channel();
        let (end, ending) = oneshot::channel();
        let serving = tokio::spawn(async move {
            loopback
                .serve(STATE, limit, move |raw| async move {
                    tell.send(raw).unwrap();
                    let value = ending.await.unwrap()?;
                    Ok((value, Page::new("Consent stored").line("fabrikam.example: MFA <yes>")))
                })
                .await
        });
        Self { port, got, end: Some(end), serving }
    }

    /// Lets `complete` end well, as soon as it runs.
    fn allow(&mut self) {
        self.end.take().unwrap().send(Ok("stored")).unwrap();
    }

    async fn hit(&self, request: &str) -> String {
        exchange(self.port, request).await
    }

    fn post(&self, body: &str) -> String {
        post("localhost", self.port, "", body)
    }

    /// The genuine reply still works: so what came before neither ended nor spent the wait.
    async fn still_takes_the_reply(mut self) {
        assert!(self.got.try_recv().is_err(), "something else was taken for the reply");
        self.allow();
        let answer = patiently(self.hit(&self.post(&genuine()))).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(self.got.recv().await.unwrap(), genuine());
        assert_eq!(patiently(self.serving).await.unwrap().unwrap(), "stored");
    }
}

fn genuine() -> String {
    format!("code={CODE}&state={STATE}&session_state=x")
}

fn post(host: &str, port: u16, headers: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

async fn patiently<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.unwrap()
}

async fn connect(port: u16) -> TcpStream {
    patiently(TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await.unwrap()
}

/// Sends the request and reads to the end of the connection. A listener that closes early is answered with what came till then.
async fn exchange(port: u16, request: &str) -> String {
    let mut stream = connect(port).await;
    drop(stream.write_all(request.as_bytes()).await);
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    drop(patiently(stream.read_to_end(&mut answer)).await);
    String::from_utf8(answer).unwrap()
}

async fn is_closed(port: u16) -> bool {
    let mut addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
    if has_ipv6().await {
        addresses.push(Ipv6Addr::LOCALHOST.into());
    }
    for address in addresses {
        if TcpStream::connect(SocketAddr::new(address, port)).await.is_ok() {
            return false;
        }
    }
    true
}

async fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok()
}

#[tokio::test]
async fn a_genuine_reply_is_handed_over_and_its_page_shown_after() {
    let mut waiting = Waiting::start().await;
    let port = waiting.port;
    let mut browser = connect(port).await;
    let headers = "Origin: https://login.microsoftonline.com\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nConnection: keep-alive\r\n";
    browser.write_all(post("localhost", port, headers, &genuine()).as_bytes()).await.unwrap();
    assert_eq!(patiently(waiting.got.recv()).await.unwrap(), genuine());
    // `complete` has not ended, so the browser has no answer.
    let mut byte = [0];
    assert_eq!(browser.try_read(&mut byte).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    waiting.allow();
    let answer = read_to_end(&mut browser).await;
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    for header in [
        "connection: close",
        "cache-control: no-store",
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none';",
        "frame-ancestors 'none'",
        "referrer-policy: no-referrer",
        "x-frame-options: deny",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.contains(header), "{header} is not in {head}");
    }
    assert!(!head.contains("access-control"), "{head}");
    assert!(page.contains("<h1>Consent stored</h1>") && page.contains("MFA &lt;yes&gt;"), "{page}");
    assert!(!answer.contains(CODE) && !answer.contains(STATE), "the reply came back: {answer}");
    assert_eq!(patiently(waiting.serving).await.unwrap().unwrap(), "stored");
    assert!(is_closed(port).await);
}

#[tokio::test]
async fn a_failed_consent_ends_with_its_error_and_a_page_that_says_so() {
    let mut waiting = Waiting::start().await;
    let error = Error::new(ErrorKind::MfaNotProved, OPERATION, "the sign-in <had> no MFA");
    waiting.end.take().unwrap().send(Err(error.clone())).unwrap();
    let answer = waiting.hit(&waiting.post(&genuine())).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("the sign-in &lt;had&gt; no MFA"), "{answer}");
    assert_eq!(patiently(waiting.serving).await.unwrap().unwrap_err(), error);
}

#[tokio::test]
async fn forged_and_malformed_replies_neither_end_nor_spend_the_wait() {
    let waiting = Waiting::start().await;
    for body in [
        format!("code={CODE}"),
        format!("code={CODE}&state="),
        format!("code={CODE}&state=forged-for-tests-0123456789"),
        format!("code={CODE}&state={STATE}&state={STATE}"),
        format!("code={CODE}&code=other&state={STATE}"),
        format!("code={CODE}&state={STATE}x"),
        String::new(),
    ] {
        let answer = waiting.hit(&waiting.post(&body)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{body}: {answer}");
        assert!(!answer.contains(CODE) && !answer.contains(STATE), "what was sent came back: {answer}");
    }
    waiting.still_takes_the_reply().await;
}

#[tokio::test]
async fn foreign_names_paths_methods_and_scripts_are_refused_even_with_the_state() {
    let waiting = Waiting::start().await;
    let port = waiting.port;
    let form = genuine();
    let cases = [
        (421, post("attacker.example", port, "", &form)),
        (421, post("localhost", port ^ 1, "", &form)),
        (421, post("localhost", port, &format!("Host: localhost:{port}\r\n"), &form)),
        (421, post("localhost", port, "", &form).replacen(&format!("Host: localhost:{port}\r\n"), "", 1)),
        (
            421,
            post("localhost", port, "", &form).replacen(
                "POST / ",
                &format!("POST http://attacker.example:{port}/ "),
                1,
            ),
        ),
        (404, post("localhost", port, "", &form).replacen("POST / ", "POST /callback ", 1)),
        (404, format!("GET /favicon.ico HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")),
        (405, format!("GET /?{form} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")),
        (
            405,
            format!(
                "OPTIONS / HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: https://attacker.example\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Private-Network: true\r\n\r\n"
            ),
        ),
        (403, post("localhost", port, "Sec-Fetch-Mode: cors\r\n", &form)),
        (403, post("localhost", port, "Sec-Fetch-Mode: no-cors\r\n", &form)),
        (403, post("localhost", port, "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n", &form)),
        (403, post("localhost", port, "Origin: http://attacker.example\r\n", &form)),
        (415, post("localhost", port, "", &form).replacen("application/x-www-form-urlencoded", "text/plain", 1)),
        (400, post("localhost", port, "", &form).replacen("POST / ", "POST /?x=y ", 1)),
        (400, "no HTTP at all\r\n\r\n".to_owned()),
    ];
    for (status, request) in cases {
        let answer = waiting.hit(&request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{answer}");
        assert!(!answer.to_ascii_lowercase().contains("access-control"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    }
    waiting.still_takes_the_reply().await;
}

#[tokio::test]
async fn too_much_is_cut_off() {
    let waiting = Waiting::start().await;
    let port = waiting.port;
    let padding = "x".repeat(LARGEST_BODY);
    let declared = waiting.post("").replacen("Content-Length: 0", &format!("Content-Length: {}", LARGEST_BODY + 1), 1);
    let answer = waiting.hit(&declared).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // In pieces, without a length, and with the state in front.
    let start = waiting.post("").replacen("Content-Length: 0", "Transfer-Encoding: chunked", 1);
    let body = format!("{}&pad={padding}", genuine());
    let answer = waiting.hit(&format!("{start}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())).await;
    assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = waiting.hit(&post("localhost", port, &format!("Cookie: {padding}\r\n"), &genuine())).await;
    assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = waiting.hit(&post("localhost", port, &"X: y\r\n".repeat(MOST_HEADERS), &genuine())).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    waiting.still_takes_the_reply().await;
}

#[tokio::test]
async fn the_largest_body_is_still_taken() {
    let mut waiting = Waiting::start().await;
    waiting.allow();
    let mut body = format!("{}&id_token=", genuine());
    body.push_str(&"x".repeat(LARGEST_BODY - body.len()));
    let answer = waiting.hit(&waiting.post(&body)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(waiting.got.recv().await.unwrap(), body);
}

#[tokio::test]
async fn connections_that_say_nothing_or_little_do_not_keep_the_reply_out() {
    let waiting = Waiting::start().await;
    let mut held = Vec::new();
    for number in 0..MOST_CONNECTIONS * 3 {
        let mut stream = connect(waiting.port).await;
        let some = match number % 3 {
            0 => "",
            1 => "POST / HTTP/1.1\r\nHost: loc",
            _ => "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\ncode=",
        };
        drop(stream.write_all(some.replace("localhost", &format!("localhost:{}", waiting.port)).as_bytes()).await);
        held.push(stream);
    }
    waiting.still_takes_the_reply().await;
    // All of them are closed by now; otherwise this waits for ever.
    for stream in &mut held {
        read_to_end(stream).await;
    }
}

#[tokio::test]
async fn the_oldest_connections_make_room_for_new_ones() {
    let Loopback { listeners, port, .. } = Loopback::bind(None).await.unwrap();
    let waiting = super::Waiting {
        hosts: hit::hosts(port),
        mode: ReplyMode::FormPost,
        state: STATE.to_owned(),
        claim: Mutex::new(None),
    };
    let mut door =
        Door { listeners, waiting: Arc::new(waiting), open: FuturesUnordered::new(), idle: VecDeque::new(), next: 0 };
    let most = u64::try_from(MOST_CONNECTIONS).unwrap();
    let mut held = vec![connect(port).await];
    while door.next < 1 {
        drop(timeout(Duration::from_millis(5), door.tend()).await);
    }
    door.keep(0);
    while door.next < most * 2 {
        held.push(connect(port).await);
        drop(timeout(Duration::from_millis(1), door.tend()).await);
    }
    let idle: Vec<u64> = door.idle.iter().map(|(number, _)| *number).collect();
    assert_eq!(idle, (most..most * 2).collect::<Vec<_>>(), "the newest stay");
    // The rest is gone, save the one that brought the reply.
    patiently(async {
        while door.open.len() > MOST_CONNECTIONS + 1 {
            drop(timeout(Duration::from_millis(1), door.tend()).await);
        }
    })
    .await;
    let mut byte = [0];
    assert_eq!(
        held.first_mut().unwrap().try_read(&mut byte).unwrap_err().kind(),
        io::ErrorKind::WouldBlock,
        "the one that is kept is open"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_connection_ends_by_itself_and_a_slow_consent_does_not() {
    let loopback = Loopback::bind(None).await.unwrap();
    let port = loopback.redirect_uri().port().unwrap();
    let serving = tokio::spawn(loopback.serve(STATE, Duration::from_secs(3600), |_| async {
        sleep(CONNECTION_LIFE * 20).await;
        Ok(((), Page::new("Consent stored")))
    }));
    let mut slow = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    slow.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Time jumps to the end of the connection's life; without one it would jump to the time limit and end the task.
    drop(slow.read_to_end(&mut answer).await);
    assert!(!serving.is_finished());
    let mut browser = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    browser.write_all(post("localhost", port, "", &genuine()).as_bytes()).await.unwrap();
    browser.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_second_reply_is_refused_while_the_first_is_worked_on() {
    let mut waiting = Waiting::start().await;
    let port = waiting.port;
    let mut first = connect(port).await;
    first.write_all(waiting.post(&genuine()).as_bytes()).await.unwrap();
    patiently(waiting.got.recv()).await.unwrap();
    let second = waiting.hit(&waiting.post(&genuine())).await;
    assert!(second.starts_with("HTTP/1.1 409 "), "{second}");
    waiting.allow();
    assert!(read_to_end(&mut first).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(patiently(waiting.serving).await.unwrap().unwrap(), "stored");
    assert!(waiting.got.recv().await.is_none(), "`complete` ran twice");
    assert!(is_closed(port).await);
}

#[tokio::test]
async fn a_browser_that_goes_away_does_not_undo_the_consent() {
    let mut waiting = Waiting::start().await;
    let port = waiting.port;
    let mut browser = connect(port).await;
    browser.write_all(waiting.post(&genuine()).as_bytes()).await.unwrap();
    patiently(waiting.got.recv()).await.unwrap();
    drop(browser);
    // One full exchange later the listener has seen it leave.
    let second = waiting.hit(&waiting.post(&genuine())).await;
    assert!(second.starts_with("HTTP/1.1 409 "), "{second}");
    waiting.allow();
    assert_eq!(patiently(waiting.serving).await.unwrap().unwrap(), "stored");
    assert!(is_closed(port).await);
}

#[tokio::test]
async fn the_time_limit_ends_it_whatever_else_comes() {
    let waiting = Waiting::with(Loopback::bind(None).await.unwrap(), Duration::from_millis(300));
    let port = waiting.port;
    let mut held = connect(port).await;
    let forger = tokio::spawn(async move {
        let forged = post("localhost", port, "", "code=x&state=forged-for-tests-0123456789");
        while let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            drop(stream.write_all(forged.as_bytes()).await);
            drop(stream.read(&mut [0]).await);
        }
    });
    let error = patiently(waiting.serving).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConsentLinkExpired);
    assert!(is_closed(port).await);
    assert_eq!(read_to_end(&mut held).await, "");
    patiently(forger).await.unwrap();
}

#[tokio::test]
async fn dropping_the_future_closes_everything_at_once() {
    let loopback = Loopback::bind(None).await.unwrap();
    let port = loopback.redirect_uri().port().unwrap();
    let mut browser = connect(port).await;
    browser.write_all(post("localhost", port, "", &genuine()).as_bytes()).await.unwrap();
    {
        let (started, running) = oneshot::channel();
        let mut serving = pin!(loopback.serve(STATE, PATIENCE, |_| async {
            started.send(()).unwrap();
            pending::<Result<((), Page)>>().await
        }));
        tokio::select! {
            _ = &mut serving => panic!("it ended by itself"),
            running = running => running.unwrap(),
        }
    }
    assert!(is_closed(port).await);
    assert_eq!(read_to_end(&mut browser).await, "");
}

#[tokio::test]
async fn both_address_families_take_the_reply() {
    for (address, host) in [(IpAddr::from(Ipv4Addr::LOCALHOST), "127.0.0.1"), (Ipv6Addr::LOCALHOST.into(), "[::1]")] {
        if address.is_ipv6() && !has_ipv6().await {
            continue;
        }
        let mut waiting = Waiting::start().await;
        waiting.allow();
        let mut browser = patiently(TcpStream::connect((address, waiting.port))).await.unwrap();
        browser.write_all(post(host, waiting.port, "", &genuine()).as_bytes()).await.unwrap();
        assert!(read_to_end(&mut browser).await.starts_with("HTTP/1.1 200 "), "{address}");
        assert_eq!(patiently(waiting.serving).await.unwrap().unwrap(), "stored");
    }
}

#[tokio::test]
async fn the_query_is_taken_where_it_was_asked_for() {
    let loopback = Loopback::bind(None).await.unwrap().with_reply_mode(ReplyMode::Query);
    let mut waiting = Waiting::with(loopback, PATIENCE);
    let port = waiting.port;
    let refused = waiting.hit(&waiting.post(&genuine())).await;
    assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET"), "{refused}");
    for query in ["", "?", "?code=x&state=forged-for-tests-0123456789"] {
        let refused = waiting.hit(&format!("GET /{query} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")).await;
        assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
    }
    waiting.allow();
    let answer = waiting
        .hit(&format!("GET /?{} HTTP/1.1\r\nHost: localhost:{port}\r\nSec-Fetch-Mode: navigate\r\n\r\n", genuine()))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(waiting.got.recv().await.unwrap(), genuine());
}

#[tokio::test]
async fn a_fixed_port_is_taken_or_refused_by_name() {
    let free = Loopback::bind(None).await.unwrap().port;
    let fixed = Loopback::bind(Some(free)).await.unwrap();
    assert_eq!(fixed.redirect_uri().as_str(), format!("http://localhost:{free}/"));
    let error = Loopback::bind(Some(free)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().ends_with(&format!("in use by another program: {free}")), "{error}");
    assert!(error.hint().contains("--port"), "{error:?}");
    drop(fixed);
    if has_ipv6().await {
        // Another program that has the port on one address only would get the reply of a browser that tries that address first.
        let squatter = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
        let port = squatter.local_addr().unwrap().port();
        assert_eq!(Loopback::bind(Some(port)).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[tokio::test]
async fn a_state_that_could_be_guessed_is_refused() {
    let outcome = Loopback::bind(None).await.unwrap().serve("", PATIENCE, |_| async { Ok(((), Page::new("x"))) }).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Internal);
}
