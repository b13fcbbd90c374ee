//! Opens a link in the person's browser, the one that `BROWSER` names first.

use std::thread;

use tokio::sync::oneshot;
use url::Url;

/// Opens `link`. False where no browser could be started; a text browser holds the thread until it is left, so it is not waited for.
pub(crate) async fn open(link: &Url) -> bool {
    let link = link.to_string();
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        // Its own words on standard output would be taken for ours.
        let mut options = webbrowser::BrowserOptions::new();
        options.with_suppress_output(true);
        let opened = webbrowser::open_browser_with_options(webbrowser::Browser::Default, &link, &options).is_ok();
        let _ = sender.send(opened);
    });
    tokio::select! {
        opened = receiver => opened.unwrap_or(false),
        // Still busy: it is being read.
        () = tokio::time::sleep(std::time::Duration::from_secs(5)) => true,
    }
}
