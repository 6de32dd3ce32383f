//! Frames of the minimal lower layer protocol: `0B`, the message, `1C 0D`.

use tokio::io::{AsyncRead, AsyncReadExt};

const START: u8 = 0x0b;
const END: u8 = 0x1c;
const RETURN: u8 = 0x0d;

/// Bytes outside of frames that are passed over before the peer is taken for no MLLP sender.
const OUTSIDE_MAX: usize = 4096;

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole message.
    Message(Vec<u8>),
    /// A message that is larger than allowed; it was passed over to its end, its beginning is kept for the answer.
    TooLarge(Vec<u8>),
    /// The peer closed, or sends no frames.
    End,
}

/// Reads frames of bounded size.
#[derive(Debug)]
pub struct FrameReader<R> {
    stream: R,
    bytes_max: usize,
    buffer: Vec<u8>,
    /// How far `buffer` was looked at.
    seen: usize,
}

/// What of a message that is too large is kept: its header.
const HEAD: usize = 2048;

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Frames of at most `bytes_max` bytes from `stream`.
    pub fn new(stream: R, bytes_max: usize) -> FrameReader<R> {
        FrameReader { stream, bytes_max, buffer: Vec::new(), seen: 0 }
    }

    /// The next frame.
    ///
    /// # Errors
    /// What the stream says.
    pub async fn next(&mut self) -> std::io::Result<Frame> {
        let mut n_outside = 0;
        loop {
            match self.buffer.iter().position(|byte| *byte == START) {
                Some(begin) => {
                    self.buffer.drain(..=begin);
                    break;
                }
                None => {
                    n_outside += self.buffer.len();
                    self.buffer.clear();
                }
            }
            if OUTSIDE_MAX < n_outside || !self.fill().await? {
                return Ok(Frame::End);
            }
        }
        self.seen = 0;
        let mut head: Option<Vec<u8>> = None;
        loop {
            if let Some(end) = self.end() {
                let message: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return Ok(match head {
                    Some(head) => Frame::TooLarge(head),
                    None if self.bytes_max < message.len() => Frame::TooLarge(message[..HEAD.min(end)].to_vec()),
                    None => Frame::Message(message),
                });
            }
            if self.bytes_max < self.buffer.len() {
                head.get_or_insert_with(|| self.buffer[..HEAD.min(self.buffer.len())].to_vec());
                // The last byte may be the first of the two that end the frame.
                self.buffer.drain(..self.buffer.len() - 1);
                self.seen = 0;
            }
            if !self.fill().await? {
                return Ok(Frame::End);
            }
        }
    }

    /// Where the frame in the buffer ends.
    fn end(&mut self) -> Option<usize> {
        let from = self.seen.min(self.buffer.len());
        let found = self.buffer[from..].windows(2).position(|pair| pair == [END, RETURN]).map(|place| from + place);
        self.seen = self.buffer.len().saturating_sub(1);
        found
    }

    /// Read more; `false` at the end of the stream.
    async fn fill(&mut self) -> std::io::Result<bool> {
        let mut part = [0; 8192];
        let n = self.stream.read(&mut part).await?;
        self.buffer.extend_from_slice(&part[..n]);
        Ok(0 < n)
    }
}

/// A message in its frame.
pub(crate) fn framed(message: &str) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.len() + 3);
    frame.push(START);
    frame.extend_from_slice(message.as_bytes());
    frame.extend_from_slice(&[END, RETURN]);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn frames(bytes: &[u8], bytes_max: usize) -> Vec<Frame> {
        let mut reader = FrameReader::new(bytes, bytes_max);
        let mut all = Vec::new();
        loop {
            let frame = reader.next().await.unwrap();
            all.push(frame.clone());
            if frame == Frame::End {
                return all;
            }
        }
    }

    #[tokio::test]
    async fn frames_are_cut_and_bounded() {
        let message = |text: &str| Frame::Message(text.as_bytes().to_vec());
        assert_eq!(
            frames(b"\r\n\x0bMSH|a\x1c\r\x0bMSH|\x1cb\x1c\r", 100).await,
            [message("MSH|a"), message("MSH|\x1cb"), Frame::End]
        );
        assert_eq!(frames(b"\x0bMSH|unfinished", 100).await, [Frame::End]);
        assert_eq!(frames(&[b'x'; 10_000], 100).await, [Frame::End]);
        let large = [b"\x0bMSH|".to_vec(), vec![b'x'; 100_000], b"\x1c\r\x0bMSH|next\x1c\r".to_vec()].concat();
        let got = frames(&large, 1000).await;
        assert!(matches!(&got[0], Frame::TooLarge(head) if head.starts_with(b"MSH|") && head.len() == 2048), "{got:?}");
        assert_eq!(got[1..], [message("MSH|next"), Frame::End]);
    }
}
