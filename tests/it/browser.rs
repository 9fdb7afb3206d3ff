//! A browser, which speaks HTTP, TLS, WebSocket and Server-Sent Events of its own, opens the page at `/` twice, and the two
//! windows hear one another.

use serde_json::json;

use crate::support::browser::Browser;
pub(crate) use crate::support::browser::program as browser;
use crate::support::eventually;
use crate::support::server::Server;

/// Checks that two windows of the page at `/` talk, over this scheme.
#[track_caller]
fn check(listener: &str, flags: &[&str], scheme: &str) {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::listen(&[listener], &[&["--shards", "2"], flags].concat());
    let address = if scheme == "https" { server.https_address() } else { server.http_address() };
    let url = format!("{scheme}://{address}/");
    let pages = [browser.open(&url), browser.open(&url)];
    for page in &pages {
        browser.await_true(page, "document.title === 'Tidemill' && chat.readyState === WebSocket.OPEN");
        browser.await_true(page, "events.readyState === EventSource.OPEN");
    }
    // Who has just come may miss what is said before all shards know of it, so it is said until it is heard.
    let heard = |word: &str| format!("document.getElementById('said').textContent.includes('{word}')");
    for (speaker, word) in [(0, "first window"), (1, "second window")] {
        let say = format!("(at('text').value = '{word}', at('form').requestSubmit())");
        browser.run(&pages[speaker], &say);
        for page in &pages {
            browser.await_true(page, &format!("{} || ({say}, false)", heard(word)));
        }
    }
    // A point is published by a request, and is heard as an event.
    let has_points = "at('board').children.length > 0 && !document.querySelector('#board .none')";
    for page in &pages {
        browser.await_true(page, &format!("{has_points} || (at('point').click(), false)"));
    }
    // The tide is made of commands. The window that was opened last is in front; others have their clocks slowed.
    browser.run(&pages[1], "at('burst').click(); true");
    assert_eq!(browser.run(&pages[1], "at('burst').textContent"), json!("Stop"));
    eventually("the tide is published", || server.counters().total("published_websocket") > 100);
    let counters = server.counters();
    assert!(0 < counters.total("published_http"), "{counters:#?}");
    assert_eq!(
        (counters.total("websocket_failures"), counters.total("refused_origin")),
        (0, 0),
        "{counters:#?}"
    );
    drop(browser);
    server.stop_clean();
}

/// The server goes away while the tide is made, and comes back: the page says so, and everything works again. The button said
/// "Stop" for ever, and made nothing; a point that could not be given was an exception that nobody caught.
#[test]
fn the_page_outlives_its_server() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::listen(&["http://127.0.0.1:0"], &[]);
    let address = server.http_address();
    let page = browser.open(&format!("http://{address}/"));
    browser.await_true(&page, "chat.readyState === WebSocket.OPEN && events.readyState === EventSource.OPEN");
    browser.await_true(&page, "at('heard').textContent === 'open'");
    browser
        .run(&page, "window.uncaught = 0; addEventListener('unhandledrejection', () => { uncaught += 1; })");
    browser.run(&page, "at('burst').click()");
    browser.await_true(&page, "tide.readyState === WebSocket.OPEN && 0 < total");
    server.stop_clean();
    browser.await_true(&page, "at('burst').textContent === 'Make tide' && !tide");
    assert_eq!(browser.run(&page, "at('burst').getAttribute('aria-pressed')"), json!("false"));
    browser.await_true(&page, "at('trouble').textContent.startsWith('The tide is over')");
    browser.await_true(&page, "at('heard').textContent === 'closed; trying again'");
    browser.run(&page, "at('point').click()");
    browser.await_true(&page, "at('trouble').textContent.includes('this point is lost')");
    assert_eq!(browser.run(&page, "uncaught"), json!(0));

    let server = Server::listen(&[&format!("http://{address}")], &[]);
    browser.await_true(&page, "chat.readyState === WebSocket.OPEN && events.readyState === EventSource.OPEN");
    browser.await_true(&page, "at('heard').textContent === 'open' && at('state').textContent === 'open'");
    browser.run(&page, "window.before = total; at('point').click(); at('burst').click()");
    browser.await_true(&page, "before + 50 < total && at('trouble').textContent === ''");
    drop(browser);
    server.stop_clean();
}

/// A stream of events that is refused is given up by the browser, and asked for again by the page.
#[test]
fn the_page_asks_again_for_events_that_were_refused() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::listen(&["http://127.0.0.1:0"], &[]);
    let page = browser.open(&format!("http://{}/", server.http_address()));
    browser.await_true(&page, "events.readyState === EventSource.OPEN");
    // The page's next stream is one that there is not, and those after it are as ever.
    let refuse = "const Real = EventSource; events.close(); window.asked = 0; \
                  window.EventSource = function (url) { asked += 1; return new Real(asked === 1 ? '/nothing' : url); }; \
                  EventSource.CLOSED = Real.CLOSED; EventSource.OPEN = Real.OPEN; listen()";
    browser.run(&page, refuse);
    browser.await_true(&page, "asked === 2 && events.readyState === EventSource.OPEN");
    browser.await_true(&page, "at('heard').textContent === 'open'");
    drop(browser);
    server.stop_clean();
}

/// Two windows talk.
#[test]
fn two_windows_of_the_page_hear_one_another() {
    check("http://127.0.0.1:0", &[], "http");
}

/// The same behind TLS, with a certificate that nobody has signed.
#[test]
fn two_windows_of_the_page_hear_one_another_behind_tls() {
    check("https://127.0.0.1:0", &["--tls-self-signed"], "https");
}

/// The page loads nothing from elsewhere, and fits a narrow window as well as a wide one.
#[test]
fn the_page_fits_narrow_and_wide_windows() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::listen(&["http://127.0.0.1:0"], &[]);
    let page = browser.open(&format!("http://{}/", server.http_address()));
    browser.await_true(&page, "document.readyState === 'complete' && document.title === 'Tidemill'");
    let loaded = browser.run(
        &page,
        "performance.getEntriesByType('resource').every(one => one.name.startsWith(location.origin))",
    );
    assert_eq!(loaded, json!(true));
    // Everybody may give points, with names and numbers of any length; it may take more than one for all shards to know of the
    // page. The page was 392 pixels wide in a window of 360.
    let longest =
        "fetch('/publish/demo.score.WWWWWWWWWWWWWWWWWWWWWWWW', { method: 'POST', body: '1234567890' })";
    browser.await_true(&page, &format!("points.size === 1 || ({longest}, false)"));
    browser.await_true(&page, "document.querySelector('#board span:last-child')?.textContent.endsWith('B')");
    browser
        .run(&page, "score('infinite', Infinity); score('least', -Infinity); score('A'.repeat(16), 99999)");
    browser.await_true(&page, "at('board').textContent.includes('infinite1T')");
    for width in [320, 360, 390, 768, 1280] {
        browser.resize(&page, width);
        browser.await_true(&page, &format!("innerWidth === {width}"));
        let wide = browser.run(&page, "document.documentElement.scrollWidth");
        assert!(wide.as_u64().is_some_and(|wide| wide <= width), "{wide} in {width}");
        let figures = "[...document.querySelectorAll('#board span:last-child')]";
        let whole = format!("{figures}.every(figure => figure.scrollWidth <= figure.clientWidth)");
        assert_eq!(browser.run(&page, &whole), json!(true), "figures in {width}");
    }
    browser.run(&page, "for (let name = 0; name < 1000; name += 1) score('name' + name, 1)");
    assert_eq!(browser.run(&page, "[points.size, points.has('infinite')]"), json!([100, true]));
    drop(browser);
    server.stop_clean();
}
