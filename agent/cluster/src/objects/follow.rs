//! The log of a container, line by line, also while it is written.

use std::pin::Pin;

use futures::io::{AsyncBufRead, AsyncBufReadExt as _};
use jiff::Timestamp;
use kube::api::LogParams;
use kube::core::Request as Logs;

use super::built;
use crate::connect::Account;
use crate::error::Error;

/// Most bytes of a line that are read; the rest of it is skipped.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// Which log is read, and which part of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogQuery<'a> {
    /// Name of the container.
    pub container: &'a str,
    /// The log of the run before this one.
    pub previous: bool,
    /// Only what was written since then.
    pub since: Option<Timestamp>,
    /// Only so many lines, counted from the end.
    pub tail: Option<u32>,
    /// Goes on while the container writes.
    pub follow: bool,
}

/// The lines of a log as they come. Dropping it ends the request.
pub struct LogLines {
    read: Pin<Box<dyn AsyncBufRead + Send>>,
}

/// A line, each with the time that the kubelet puts before it; bytes that are no UTF-8 are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawLine {
    /// All of it.
    Whole(String),
    /// The first [`MAX_LINE_BYTES`] of it.
    Cut(String),
}

impl Account {
    /// Begins to read the log of a container. It may hold values of Secrets: what the container
    /// printed. One that is followed has no limit of time but its reader's.
    ///
    /// Fails where the account may not `get` `pods/log`, and where there is no such log.
    pub async fn log_lines(
        &self,
        namespace: &str,
        pod: &str,
        query: LogQuery<'_>,
    ) -> Result<LogLines, Error> {
        let params = LogParams {
            container: Some(query.container.to_owned()),
            previous: query.previous,
            since_time: query.since,
            tail_lines: query.tail.map(i64::from),
            follow: query.follow,
            timestamps: true,
            ..LogParams::default()
        };
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let request = built(Logs::new(path).logs(pod, &params))?;
        let read = self.run(self.client.request_stream(request)).await?;
        Ok(LogLines {
            read: Box::pin(read),
        })
    }
}

impl LogLines {
    /// The next line; `None` at the end, and where the connection breaks.
    pub async fn next(&mut self) -> Option<RawLine> {
        let mut line: Vec<u8> = Vec::new();
        let mut is_cut = false;
        loop {
            let Ok(chunk) = self.read.fill_buf().await else {
                return None;
            };
            if chunk.is_empty() {
                return (!line.is_empty()).then(|| told(&line, is_cut));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            let room = MAX_LINE_BYTES - line.len();
            is_cut |= part.len() > room;
            line.extend(&part[..part.len().min(room)]);
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.read.consume_unpin(used);
            if end.is_some() {
                return Some(told(&line, is_cut));
            }
        }
    }
}

fn told(line: &[u8], is_cut: bool) -> RawLine {
    let text = String::from_utf8_lossy(line).into_owned();
    if is_cut {
        RawLine::Cut(text)
    } else {
        RawLine::Whole(text)
    }
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;

    use super::*;

    async fn read(bytes: &[u8]) -> Vec<RawLine> {
        let mut lines = LogLines {
            read: Box::pin(Cursor::new(bytes.to_vec())),
        };
        let mut all = Vec::new();
        while let Some(line) = lines.next().await {
            all.push(line);
        }
        all
    }

    #[tokio::test]
    async fn lines_are_told_one_by_one_and_the_last_one_without_its_end_as_well() {
        let whole = |text: &str| RawLine::Whole(text.to_owned());
        assert_eq!(read(b"a\n\nb").await, [whole("a"), whole(""), whole("b")]);
        assert_eq!(read(b"").await, []);
        assert_eq!(read(b"\xff\n").await, [whole("\u{fffd}")]);
    }

    #[tokio::test]
    async fn a_line_without_an_end_takes_no_more_than_its_bound_and_the_next_one_is_whole() {
        let long = [vec![b'x'; MAX_LINE_BYTES * 3], b"\nnext\n".to_vec()].concat();
        let lines = read(&long).await;
        assert_eq!(lines.len(), 2);
        assert!(matches!(&lines[0], RawLine::Cut(text) if text.len() == MAX_LINE_BYTES));
        assert_eq!(lines[1], RawLine::Whole("next".to_owned()));
        let fits = vec![b'x'; MAX_LINE_BYTES];
        assert!(matches!(&read(&fits).await[..], [RawLine::Whole(_)]));
    }
}
