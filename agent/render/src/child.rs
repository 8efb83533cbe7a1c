//! One renderer process: starting it, one render, and its end.

use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child as Process, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::error::Error;
use crate::job::{Answer, Ask, AskError, Hook, Job, Rendered};
use crate::settings::Settings;
use crate::wire::{self, Message};

/// Answers the questions of a render.
pub(crate) type Answers<'a> = &'a (dyn Fn(&Ask) -> Result<Answer, AskError> + Send + Sync);

/// A running renderer that waits for a request.
pub(crate) struct Child {
    process: Process,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    first_words: Arc<Mutex<Vec<u8>>>,
    renders: u32,
    memory_limit_mib: u64,
    pub(crate) idle_since: Instant,
}

/// What a process is worth after a render.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It renders again.
    Ready,
    /// It rendered often enough, or holds too much memory.
    Spent,
    /// It has ended.
    Dead,
}

/// How much of the standard error of a process is kept.
const FIRST_WORDS: usize = 4096;
/// Room for the parts of a line that are not objects, such as a message of failure.
const LINE_MARGIN: usize = 64 << 10;

impl Child {
    /// Starts the program without environment and waits for its greeting.
    pub(crate) async fn start(settings: &Settings) -> Result<Self, Error> {
        let failed = |detail: String| Error::Start {
            program: settings.program.clone(),
            detail,
        };
        // The Go runtime gives memory back before the hard limit is reached.
        let soft_limit = settings.memory_limit_mib * 3 / 4;
        let mut process = Command::new(&settings.program)
            .arg(format!("-memory-limit-mib={soft_limit}"))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let piped = || failed("it has no pipes".into());
        let stdin = process.stdin.take().ok_or_else(piped)?;
        let stdout = process.stdout.take().ok_or_else(piped)?;
        let stderr = process.stderr.take().ok_or_else(piped)?;
        let first_words = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(keep_first_words(stderr, Arc::clone(&first_words)));
        let mut child = Self {
            process,
            stdin,
            stdout: BufReader::with_capacity(64 << 10, stdout),
            first_words,
            renders: 0,
            memory_limit_mib: settings.memory_limit_mib,
            idle_since: Instant::now(),
        };
        match timeout(settings.start_deadline, child.receive(LINE_MARGIN)).await {
            Ok(Ok(Message::Hello(hello))) if hello.protocol == wire::VERSION => {
                tracing::debug!(
                    helm = hello.helm,
                    kustomize = hello.kustomize,
                    isolation = ?hello.isolation,
                    "renderer started"
                );
                Ok(child)
            }
            Ok(Ok(Message::Hello(hello))) => Err(failed(format!(
                "it speaks version {} of the protocol, not {}",
                hello.protocol,
                wire::VERSION
            ))),
            Ok(Ok(_)) => Err(failed("it does not begin with a greeting".into())),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!(
                "no greeting within {:?}",
                settings.start_deadline
            ))),
        }
    }

    /// Renders. After any error but [`Error::Refused`], [`Error::Ask`],
    /// [`Error::Needs`] and [`Error::InputTooLarge`] the process is in no state to render again.
    pub(crate) async fn render(
        &mut self,
        job: &Job,
        answers: Answers<'_>,
        settings: &Settings,
    ) -> Result<Rendered, Error> {
        self.renders += 1;
        self.send(&wire::request(job)).await?;
        let mut rendered = Rendered::default();
        let mut failure = None;
        let mut needs = Vec::new();
        let mut input = 0;
        let mut budget = settings.output_limit_bytes;
        loop {
            let (message, length) = self.receive_counted(budget + LINE_MARGIN, settings).await?;
            match message {
                Message::Ask(ask) => {
                    if !wire::is_sound(&ask) {
                        return Err(Error::Protocol("it asks for no path".into()));
                    }
                    let answer = answers(&ask).map_err(Error::from).and_then(|answer| {
                        input += size(&answer);
                        let limit = settings.input_limit_bytes;
                        if input > limit {
                            Err(Error::InputTooLarge(limit))
                        } else {
                            Ok(answer)
                        }
                    });
                    self.send(&wire::reply(answer.as_ref().ok())).await?;
                    match answer {
                        Ok(Answer::Later) => needs.push(ask),
                        Ok(_) => {
                            rendered.asked.insert(ask);
                        }
                        // The first one is the cause; the others may follow from it.
                        Err(error) => {
                            failure.get_or_insert(error);
                        }
                    }
                }
                Message::Object(object) => {
                    budget = budget
                        .checked_sub(length)
                        .ok_or(Error::OutputTooLarge(settings.output_limit_bytes))?;
                    let events = object.hook.clone();
                    if events.is_empty() {
                        rendered.objects.push(object.into());
                    } else {
                        let object = object.into();
                        rendered.hooks.push(Hook { events, object });
                    }
                }
                Message::Done(done) => {
                    if let Some(failure) = failure.or_else(|| needed(needs)) {
                        return Err(failure);
                    }
                    if done.objects != rendered.objects.len() + rendered.hooks.len() {
                        return Err(Error::Protocol("objects are missing".into()));
                    }
                    rendered.warnings = done.warnings;
                    rendered.notes = done.notes;
                    return Ok(rendered);
                }
                Message::Failed(failed) => {
                    return Err(failure
                        .or_else(|| needed(needs))
                        .unwrap_or_else(|| Error::Refused(Box::new(failed.into()))));
                }
                Message::Hello(_) => return Err(Error::Protocol("it greets twice".into())),
            }
        }
    }

    /// Whether it can render again, by its life and the number of its renders.
    pub(crate) fn state(&mut self, settings: &Settings) -> State {
        if !matches!(self.process.try_wait(), Ok(None)) {
            State::Dead
        } else if self.renders >= settings.recycle_after {
            State::Spent
        } else {
            State::Ready
        }
    }

    /// Its process id while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Ends it at once.
    pub(crate) async fn kill(mut self) {
        if let Err(error) = self.process.kill().await {
            tracing::debug!(%error, "renderer had ended");
        }
    }

    async fn send(&mut self, line: &[u8]) -> Result<(), Error> {
        match self.stdin.write_all(line).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.died().await),
        }
    }

    async fn receive(&mut self, limit: usize) -> Result<Message, Error> {
        match self.line(limit).await {
            Ok(Some(line)) => understand(&line),
            Ok(None) => Err(self.died().await),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(Error::Protocol("a line has no end".into()))
            }
            Err(_) => Err(self.died().await),
        }
    }

    async fn receive_counted(
        &mut self,
        limit: usize,
        settings: &Settings,
    ) -> Result<(Message, usize), Error> {
        match self.line(limit).await {
            Ok(Some(line)) => Ok((understand(&line)?, line.len())),
            Ok(None) => Err(self.died().await),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(Error::OutputTooLarge(settings.output_limit_bytes))
            }
            Err(_) => Err(self.died().await),
        }
    }

    /// The next line; `None` at the end of the stream, also in the middle of a line.
    async fn line(&mut self, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let available = self.stdout.fill_buf().await?;
            if available.is_empty() {
                return Ok(None);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            line.extend_from_slice(&available[..taken]);
            self.stdout.consume(taken);
            if line.len() > limit {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }

    /// Says how the process ended. Of its words only those of the Go runtime are told: the
    /// others may quote what it rendered.
    async fn died(&mut self) -> Error {
        let status = match timeout(std::time::Duration::from_secs(1), self.process.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            _ => "its output ended".into(),
        };
        let words = self
            .first_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let words = String::from_utf8_lossy(&words);
        let fatal = words.lines().find(|line| line.starts_with("fatal error: "));
        // Faster than anybody looked, it ran into the limit that it sets for itself.
        if fatal.is_some_and(|line| line.contains("memory")) {
            return Error::Memory(self.memory_limit_mib);
        }
        Error::Died(fatal.map_or_else(|| status.clone(), |fatal| format!("{status}, {fatal}")))
    }
}

/// What was not at hand outweighs all that the renderer said without it.
fn needed(needs: Vec<Ask>) -> Option<Error> {
    (!needs.is_empty()).then_some(Error::Needs(needs))
}

fn size(answer: &Answer) -> usize {
    match answer {
        Answer::File(content) => content.len(),
        Answer::Directory(entries) => entries.iter().map(|entry| entry.name.len()).sum(),
        Answer::Object(object) => object.to_string().len(),
        Answer::Missing | Answer::Later => 0,
    }
}

fn understand(line: &[u8]) -> Result<Message, Error> {
    // The text of a JSON error can quote the line, so only its kind and place are told.
    serde_json::from_slice(line).map_err(|error| {
        Error::Protocol(format!(
            "{:?} error at column {}",
            error.classify(),
            error.column()
        ))
    })
}

async fn keep_first_words(mut stderr: ChildStderr, into: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        let mut words = into.lock().unwrap_or_else(PoisonError::into_inner);
        let room = FIRST_WORDS - words.len();
        words.extend_from_slice(&chunk[..count.min(room)]);
    }
}
