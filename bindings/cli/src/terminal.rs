//! What the person sees and types: standard output for what was asked for, standard error for everything else, prompts only where somebody can answer.

use std::fmt;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::thread;

use partnersam::{Error, ErrorKind};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::pasted;

/// The three standard streams and how to behave on them.
#[derive(Debug)]
pub(crate) struct Terminal {
    in_is_terminal: bool,
    out_is_terminal: bool,
    err_is_terminal: bool,
    colour: bool,
    no_input: bool,
}

/// What a piece of text means; on a terminal it has a colour.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Good,
    Warning,
    Bad,
    Heading,
}

/// More than anything that is read here has: a pasted address or a token has a few kilobytes.
const LONGEST_INPUT: u64 = 64 * 1024;

impl Terminal {
    /// As this process was started; `no_input` forbids every prompt.
    pub(crate) fn of_this_process(no_input: bool) -> Self {
        // https://no-color.org: present and not empty.
        let wants_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            in_is_terminal: io::stdin().is_terminal(),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            colour: wants_colour,
            no_input,
        }
    }

    /// Whether standard output goes to a person's eyes.
    pub(crate) fn out_is_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// Whether standard error does: progress goes there, and nowhere else.
    pub(crate) fn err_is_terminal(&self) -> bool {
        self.err_is_terminal
    }

    /// Whether standard input is a keyboard.
    pub(crate) fn in_is_terminal(&self) -> bool {
        self.in_is_terminal
    }

    /// Whether a question will find somebody who answers.
    pub(crate) fn can_ask(&self) -> bool {
        self.in_is_terminal && self.err_is_terminal && !self.no_input
    }

    /// Whether standard error shows colours.
    pub(crate) fn has_colour_err(&self) -> bool {
        self.colour && self.err_is_terminal
    }

    /// `text` in its colour, for standard output.
    pub(crate) fn style_out<'a>(&self, style: Style, text: &'a str) -> Styled<'a> {
        Styled { text, style: (self.colour && self.out_is_terminal).then_some(style) }
    }

    /// `text` in its colour, for standard error.
    pub(crate) fn style_err<'a>(&self, style: Style, text: &'a str) -> Styled<'a> {
        Styled { text, style: self.has_colour_err().then_some(style) }
    }

    /// One line of what was asked for.
    pub(crate) fn print(&self, line: impl fmt::Display) -> Result<(), Failure> {
        // In one piece: of a process that is killed its reader has a whole line or none. Wiped, for it may be a token.
        let line = Zeroizing::new(format!("{line}\n"));
        self.print_bytes(line.as_bytes())
    }

    /// Bytes of what was asked for, as they are.
    pub(crate) fn print_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        // Flushed each time: where this is a part of another program, nobody flushes at its end.
        out.write_all(bytes).and_then(|()| out.flush()).map_err(Failure::Output)
    }

    /// One line beside it, on standard error, whoever reads that.
    pub(crate) fn say(&self, line: fmt::Arguments<'_>) {
        // With standard error gone there is no place left to complain.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// One line beside it, for a person only.
    pub(crate) fn note(&self, line: fmt::Arguments<'_>) {
        if self.err_is_terminal {
            self.say(line);
        }
    }

    /// A warning, on standard error.
    pub(crate) fn warn(&self, line: fmt::Arguments<'_>) {
        self.say(format_args!("{}: {line}", self.style_err(Style::Warning, "warning")));
    }

    /// Asks for a line. Call it only where [`can_ask`](Self::can_ask).
    pub(crate) async fn ask(&self, question: &str) -> Result<String, Failure> {
        self.prompt(question);
        let line = beside(|| {
            let mut line = String::new();
            io::stdin().lock().take(LONGEST_INPUT).read_line(&mut line).map(|_| line)
        });
        let line = line.await?;
        // An empty line ends in a line end; the end of input has none.
        if line.is_empty() {
            return Err(nobody_answered());
        }
        Ok(line.trim().to_owned())
    }

    /// Asks for a line that is not shown while it is typed.
    pub(crate) async fn ask_hidden(&self, question: &str) -> Result<Zeroizing<String>, Failure> {
        // Off before the question is seen: who answers at once is not to see it either.
        let _echo =
            Echo::off().map_err(|error| Failure::internal("the terminal does not hide what is typed", error))?;
        self.prompt(question);
        let answer = beside(|| read_unseen().map(Zeroizing::new)).await;
        self.say(format_args!(""));
        Ok(Zeroizing::new(answer?.trim().to_owned()))
    }

    /// A line of standard input, whoever writes it; empty at its end.
    pub(crate) async fn read_line(&self) -> Result<Zeroizing<String>, Failure> {
        beside(|| {
            let mut line = Zeroizing::new(String::with_capacity(8 * 1024));
            io::stdin().lock().take(LONGEST_INPUT).read_line(&mut line).map(|_| line)
        })
        .await
    }

    /// All of standard input.
    pub(crate) async fn read_to_end(&self) -> Result<Zeroizing<String>, Failure> {
        beside(|| {
            // Room for a token from the start: a buffer that grows leaves copies behind.
            let mut text = Zeroizing::new(String::with_capacity(8 * 1024));
            io::stdin().lock().take(LONGEST_INPUT).read_to_string(&mut text).map(|_| text)
        })
        .await
    }

    /// The beginning and the end of standard input, as text in whatever encoding: somebody's log.
    pub(crate) async fn read_pasted(&self) -> Result<Zeroizing<String>, Failure> {
        beside(|| pasted::read(&mut io::stdin().lock())).await
    }

    fn prompt(&self, question: &str) {
        let mut err = io::stderr().lock();
        let _ = write!(err, "{question}: ").and_then(|()| err.flush());
    }
}

/// Text with the escape codes of its style around it, or none.
pub(crate) struct Styled<'a> {
    text: &'a str,
    style: Option<Style>,
}

impl fmt::Display for Styled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self.style {
            None => return f.write_str(self.text),
            Some(Style::Good) => "32",
            Some(Style::Warning) => "33",
            Some(Style::Bad) => "1;31",
            Some(Style::Heading) => "1",
        };
        write!(f, "\u{1b}[{code}m{}\u{1b}[0m", self.text)
    }
}

/// Reads in a thread of its own: one that waits for a keyboard cannot be called back, and must not hold up the end.
async fn beside<T: Send + 'static>(read: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Failure> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        // Nobody listens any more after Ctrl-C.
        let _ = sender.send(read());
    });
    match receiver.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(nobody_answered()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
            Err(Error::new(ErrorKind::Cancelled, "command line", "cancelled").into())
        }
        Ok(Err(error)) => Err(Error::new(ErrorKind::InvalidArgument, "command line", "standard input cannot be read")
            .with_hint("it must be text, 64 KiB at most")
            .with_cause(error)
            .into()),
        Err(_) => Err(Failure::internal("standard input was not read", "the reader ended")),
    }
}

fn nobody_answered() -> Failure {
    Failure::usage("standard input ended before the question was answered", "answer it, or give the value as an option")
}

/// Reads a line of any length, without touching the terminal: a thread that Ctrl-C leaves behind must not change it afterwards.
#[cfg(unix)]
fn read_unseen() -> io::Result<String> {
    let plain = rpassword::ConfigBuilder::new().input_reader(io::stdin()).output_discard().build();
    rpassword::read_password_with_config(plain)
}

#[cfg(not(unix))]
fn read_unseen() -> io::Result<String> {
    rpassword::read_password()
}

/// While this lives, what is typed is not shown and comes key by key, for a terminal's own lines end after a few thousand characters.
/// Puts the terminal back as it was.
struct Echo {
    #[cfg(unix)]
    before: rustix::termios::Termios,
}

impl Echo {
    #[cfg(unix)]
    fn off() -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON);
        unseen.special_codes[SpecialCodeIndex::VMIN] = 1;
        unseen.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &unseen)?;
        Ok(Self { before })
    }

    /// The reader does it itself.
    #[cfg(not(unix))]
    fn off() -> io::Result<Self> {
        Ok(Self {})
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        #[cfg(unix)]
        let _ = rustix::termios::tcsetattr(rustix::stdio::stdin(), rustix::termios::OptionalActions::Now, &self.before);
    }
}
